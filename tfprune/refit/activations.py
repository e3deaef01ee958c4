"""Activations that cut off: below or above some bound they make the same of everything."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from tfprune.graph.node import Node

__all__ = ["Bounds", "bounds_of", "bounds_of_function"]

Bounds = tuple[float, float]
"""Below the first and above the second an activation is constant."""

CUT_OFF: dict[str, Bounds] = {
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "hard_tanh": (-1.0, 1.0),
    "hard_sigmoid": (-3.0, 3.0),
    "hard_swish": (-3.0, np.inf),
    "hard_silu": (-3.0, np.inf),
}


def bounds_of(node: Node) -> Bounds | None:
    """Return where what a node makes of its input is constant; None if nowhere, or the node does something else."""
    operation: Any = node.operation
    if isinstance(operation, layers.ReLU):
        if operation.negative_slope or operation.threshold:
            return None
        return 0.0, np.inf if operation.max_value is None else float(operation.max_value)
    if isinstance(operation, layers.Activation):
        return bounds_of_function(operation.activation)
    if isinstance(operation, layers.Layer) or node.kind not in FUNCTIONS:
        return None
    return CUT_OFF[FUNCTIONS[node.kind]]


def bounds_of_function(function: Any) -> Bounds | None:
    """Return where an activation function is constant; None if nowhere.

    Example:
        >>> import keras
        >>> bounds_of_function(keras.activations.relu6)
        (0.0, 6.0)
    """
    return CUT_OFF.get(getattr(function, "__name__", ""))


FUNCTIONS = {name.title().replace("_", ""): name for name in CUT_OFF}
"""The names by the kinds of operations, as `"Relu6"`."""
