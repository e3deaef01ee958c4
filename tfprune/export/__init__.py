"""From Keras to TFLite: every way to store the weights, compared with Keras before the file appears.

Example:
    >>> import tfprune.export
    >>> tfprune.export.QUANTIZATIONS
    ('float16', 'dynamic', 'int8', 'int16x8')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfprune.export.android import AndroidAssets, to_android
from tfprune.export.converter import QUANTIZATIONS
from tfprune.export.result import ExportResult, Parity, TensorInfo
from tfprune.export.tflite import to_tflite

if TYPE_CHECKING:
    from tfprune.export.fewer_bits import requantize
    from tfprune.micro.c_array import CArray, to_c_array

__all__ = [
    "QUANTIZATIONS",
    "AndroidAssets",
    "CArray",
    "ExportResult",
    "Parity",
    "TensorInfo",
    "requantize",
    "to_android",
    "to_c_array",
    "to_tflite",
]

ELSEWHERE = {
    "CArray": "tfprune.micro.c_array",
    "requantize": "tfprune.export.fewer_bits",
    "to_c_array": "tfprune.micro.c_array",
}


def __getattr__(name: str) -> Any:
    if name in ELSEWHERE:  # what is made for devices stands on what this package holds
        return getattr(importlib.import_module(ELSEWHERE[name]), name)
    raise AttributeError(f"module 'tfprune.export' has no attribute {name!r}")
