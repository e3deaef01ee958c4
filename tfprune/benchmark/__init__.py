"""Run .tflite models safely and measure them honestly.

Needs NumPy and a TFLite interpreter only, neither TensorFlow nor Keras: it works on a Raspberry Pi. Every model runs in
a process of its own with a time limit, because a damaged file can crash or hang the interpreter.

Example:
    >>> import tfprune.benchmark
    >>> report = tfprune.benchmark.run(["dense.tflite", "small.tflite"], min_seconds=0.1)
    >>> [result.latency.num_runs >= 50 for result in report]
    [True, True]
    >>> (outputs,) = tfprune.benchmark.predict("small.tflite", x_test)
    >>> outputs.shape
    (8, 10)
"""

from tfprune.benchmark.android import layers_on_android, on_android
from tfprune.benchmark.inspection import Description, inspect
from tfprune.benchmark.layer_report import LayerReport, LayerTime
from tfprune.benchmark.measure import run
from tfprune.benchmark.per_layer import layers
from tfprune.benchmark.prediction import predict
from tfprune.benchmark.records import Delegation, Environment, Failure, Latency, Memory, ModelResult, Speedup
from tfprune.benchmark.results import Report
from tfprune.benchmark.tensors import Tensor

__all__ = [
    "run",
    "predict",
    "layers",
    "on_android",
    "layers_on_android",
    "inspect",
    "Report",
    "ModelResult",
    "Latency",
    "Memory",
    "Speedup",
    "Delegation",
    "Failure",
    "LayerReport",
    "LayerTime",
    "Environment",
    "Description",
    "Tensor",
]
