"""Keras callbacks: each drives an engine, none holds an algorithm."""

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
