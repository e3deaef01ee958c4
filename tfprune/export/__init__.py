"""From Keras to TFLite: every way to store the weights, compared with Keras before the file appears.

Example:
    >>> import tfprune.export
    >>> tfprune.export.QUANTIZATIONS
    ('float16', 'dynamic', 'int8', 'int16x8')
"""

from tfprune.export.converter import QUANTIZATIONS
from tfprune.export.result import ExportResult, Parity, TensorInfo
from tfprune.export.tflite import to_tflite

__all__ = ["QUANTIZATIONS", "ExportResult", "Parity", "TensorInfo", "to_tflite"]
