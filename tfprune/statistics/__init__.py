"""What data say of weights and channels: gradients, curvatures, activations, for the criteria that ask for them.

A statistic is a function that is registered by the name under which criteria ask for it; `Study` computes those that
are asked for.
"""

from tfprune.statistics import activations, curvature, fisher, flow, gradients, layer_inputs, movement, removal
from tfprune.statistics.examples import Examples
from tfprune.statistics.registry import CHANNEL_STATISTICS, WEIGHT_STATISTICS, of_channels, of_weights
from tfprune.statistics.study import Study

__all__ = [
    "CHANNEL_STATISTICS",
    "WEIGHT_STATISTICS",
    "Examples",
    "Study",
    "activations",
    "curvature",
    "fisher",
    "flow",
    "gradients",
    "layer_inputs",
    "movement",
    "of_channels",
    "of_weights",
    "removal",
]
