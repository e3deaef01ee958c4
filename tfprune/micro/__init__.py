"""Microcontrollers: what a model needs of flash and RAM, and a network that fits into what there is.

Example:
    >>> import tfprune.micro
    >>> needs = tfprune.micro.measure("dense.tflite")
    >>> needs.arena_bytes % 16
    0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfprune.micro.footprint import Footprint
from tfprune.micro.measure import measure

if TYPE_CHECKING:
    from tfprune.micro.fit import fit_device
    from tfprune.micro.fitted import Fitted
    from tfprune.micro.probe import Probe

__all__ = ["Fitted", "Footprint", "Probe", "fit_device", "measure"]

WITH_KERAS = {"Fitted": "fitted", "Probe": "probe", "fit_device": "fit"}


def __getattr__(name: str) -> Any:
    if name in WITH_KERAS:  # what measures a file does without it
        return getattr(importlib.import_module(f"tfprune.micro.{WITH_KERAS[name]}"), name)
    raise AttributeError(f"module 'tfprune.micro' has no attribute {name!r}")
