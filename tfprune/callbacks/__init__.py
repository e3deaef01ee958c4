"""Keras callbacks: each drives an engine, none holds an algorithm."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfprune.callbacks.backup import BackupAndRestore
    from tfprune.callbacks.export import TFLiteExportCallback
    from tfprune.callbacks.factorize import FactorizeCallback
    from tfprune.callbacks.gate import GateCallback
    from tfprune.callbacks.prune import PruneCallback
    from tfprune.callbacks.quantize import QuantizeCallback
    from tfprune.callbacks.regularize import RegularizeCallback
    from tfprune.callbacks.tensorboard import SparsityBoard

__all__ = [
    "BackupAndRestore",
    "FactorizeCallback",
    "GateCallback",
    "PruneCallback",
    "QuantizeCallback",
    "RegularizeCallback",
    "SparsityBoard",
    "TFLiteExportCallback",
]

NAMES = {
    "BackupAndRestore": "backup",
    "FactorizeCallback": "factorize",
    "GateCallback": "gate",
    "PruneCallback": "prune",
    "QuantizeCallback": "quantize",
    "RegularizeCallback": "regularize",
    "SparsityBoard": "tensorboard",
    "TFLiteExportCallback": "export",
}
"""Where each is, loaded when it is first used: some need TensorFlow, which others do without."""


def __getattr__(name: str) -> Any:
    if name in NAMES:
        return getattr(importlib.import_module(f"tfprune.callbacks.{NAMES[name]}"), name)
    raise AttributeError(f"module 'tfprune.callbacks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
