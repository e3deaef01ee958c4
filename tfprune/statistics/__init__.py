"""What data say of weights and channels: gradients, curvatures, activations, for the criteria that ask for them.

A statistic is a function that is registered by the name under which criteria ask for it; `Study` computes those that
are asked for.
"""

import importlib

from tfprune.backend import backend
from tfprune.statistics import layer_inputs
from tfprune.statistics.examples import Examples
from tfprune.statistics.registry import CHANNEL_STATISTICS, WEIGHT_STATISTICS, of_channels, of_weights
from tfprune.statistics.study import Study

if backend() == "tensorflow":  # these take gradients
    for name in ("activations", "curvature", "fisher", "flow", "gradients", "movement", "removal"):
        importlib.import_module(f"tfprune.statistics.{name}")

__all__ = [
    "CHANNEL_STATISTICS",
    "WEIGHT_STATISTICS",
    "Examples",
    "Study",
    "layer_inputs",
    "of_channels",
    "of_weights",
]
