"""Which operations of a traced network the TFLite converter makes one of, and which keep their input's scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from tfprune.graph.kinds import IDLE
from tfprune.graph.node import Node, Tensor

__all__ = ["FIXED", "Readers", "activation_of", "fused_end", "keeps_scale", "makes_values", "overwritten"]

layers = keras.layers

FIXED: Mapping[str, tuple[float, float]] = {
    "sigmoid": (0.0, 255 / 256), "softmax": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)
}  # fmt: skip
"""Ranges that TFLite prescribes for what an activation returns."""

FUSED = ("relu", "relu6")
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose)
LINEAR = (
    layers.Conv1D, layers.Conv2D, layers.DepthwiseConv1D, layers.DepthwiseConv2D, layers.SeparableConv1D,
    layers.SeparableConv2D, layers.Dense, layers.EinsumDense, *TRANSPOSED,
)  # fmt: skip
ARITHMETIC = (layers.Add, layers.Subtract, layers.Multiply, layers.BatchNormalization)
MOVING = (
    *IDLE, layers.MaxPooling1D, layers.MaxPooling2D, layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D,
    layers.Reshape, layers.Flatten, layers.Permute, layers.RepeatVector, layers.UpSampling1D, layers.ZeroPadding1D,
    layers.ZeroPadding2D, layers.Cropping1D, layers.Cropping2D,
)  # fmt: skip
AVERAGING = (layers.AveragePooling1D, layers.AveragePooling2D, layers.UpSampling2D, layers.Concatenate)
MOVING_OPS = (
    "Reshape", "Transpose", "Squeeze", "ExpandDims", "GetItem", "Slice", "Split", "Flip", "Pad", "Tile", "Repeat",
    "BroadcastTo", "MaxPool", "StopGradient", "Swapaxes", "Moveaxis", "Take", "Unstack", "Roll", "Ravel", "Copy",
)  # fmt: skip
AVERAGING_OPS = ("AveragePool", "Concatenate", "Stack", "Resize")
ARITHMETIC_OPS = ("Add", "Subtract", "Multiply")


class Readers:
    """Who reads each tensor of a trace.

    Args:
        nodes: The calls.
        outputs: The tensors that are the model's outputs.
    """

    def __init__(self, nodes: Sequence[Node], outputs: Sequence[Tensor]) -> None:
        self.outputs = {x.index for x in outputs}
        self._nodes: dict[int, list[Node]] = {}
        for node in nodes:
            for x in node.inputs:
                self._nodes.setdefault(x.index, []).append(node)

    def __getitem__(self, tensor: Tensor) -> list[Node]:
        return self._nodes.get(tensor.index, [])

    def only(self, tensor: Tensor) -> Node | None:
        """Return who alone reads a tensor, past what does nothing when a network is not trained; None if others do."""
        found = self[tensor]
        if len(found) != 1 or tensor.index in self.outputs:
            return None
        node = found[0]
        return self.only(node.results[0]) if isinstance(node.operation, IDLE) else node


def activation_of(node: Node) -> str:
    """Return the name of the activation that a call ends in or is; `"linear"` if there is none."""
    operation = node.operation
    if isinstance(operation, layers.ReLU):
        plain = operation.negative_slope == 0 and operation.threshold == 0
        return {None: "relu", 6: "relu6"}.get(operation.max_value, "other") if plain else "other"
    if isinstance(operation, layers.Softmax):
        return "softmax"
    if not isinstance(operation, keras.Layer):
        return node.kind.lower()
    alone = isinstance(operation, (*LINEAR, layers.Activation))
    given = operation.activation if alone else None
    return "linear" if given is None else getattr(given, "__name__", "other")


def fused_end(node: Node, readers: Readers) -> Tensor | None:
    """Return what a multiplication, an addition or the like has in the end, with what is computed along with it.

    A batch normalisation goes into the weights before it, and a ReLU is the end of its predecessor.

    Returns:
        The tensor that is held as integers; None if an activation within the layer comes after such a one.
    """
    operation, made = node.operation, node.results[0]
    alone = False
    if isinstance(operation, LINEAR):
        alone = isinstance(operation, TRANSPOSED) and not operation.use_bias  # a bias is what a ReLU is fused with
        own = activation_of(node)
        if own != "linear":
            return made if own in FUSED and not alone else None
        after = readers.only(made)
        if after is not None and isinstance(after.operation, layers.BatchNormalization) and folds(after):
            made, alone = after.results[0], False
    elif not isinstance(operation, ARITHMETIC) and node.kind not in ARITHMETIC_OPS:
        return made
    after = readers.only(made)
    if after is not None and not alone and is_relu(after):
        return after.results[0]
    return made


def overwritten(node: Node, readers: Readers) -> Tensor | None:
    """Return the operand whose place a sum, difference or product takes: the first that nobody else reads, or None.

    The converter calibrates such a tensor with the result's values among its own, and so with a wider range.
    """
    operation = node.operation
    if not isinstance(operation, ARITHMETIC) and node.kind not in ARITHMETIC_OPS:
        return None
    if len(node.inputs) != 2:
        return None
    alike = [x for x in node.inputs if x.shape == node.results[0].shape]
    return next((x for x in alike if readers.only(x) is node), None)


def folds(node: Node) -> bool:
    """Whether a normalisation is one factor for each output channel of what is before it."""
    return node.operation.axis in (-1, node.inputs[0].rank - 1)


def is_relu(node: Node) -> bool:
    """Whether a call is a ReLU and nothing else."""
    alone = isinstance(node.operation, layers.ReLU | layers.Activation) or node.kind in ("Relu", "Relu6")
    return alone and activation_of(node) in FUSED


def keeps_scale(node: Node) -> bool:
    """Whether TFLite gives what a call returns the scale of what it reads."""
    return isinstance(node.operation, MOVING + AVERAGING) or node.kind in MOVING_OPS + AVERAGING_OPS


def makes_values(node: Node) -> bool:
    """Whether a call returns values that none of its inputs has."""
    return not (isinstance(node.operation, MOVING) or node.kind in MOVING_OPS)
