"""What combines tensors element by element, and what leaves each element's channel where it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, tree

from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk

ZERO_AT_ZERO = (
    "Absolute", "Arcsin", "Arcsinh", "Arctan", "Arctanh", "Cast", "Cbrt", "Ceil", "Conjugate", "ConvertToTensor",
    "Copy", "Elu", "Erf",
    "Erfinv", "Expm1", "Fabs", "Floor", "Gelu", "Celu", "HardShrink", "HardSilu", "HardTanh", "LeakyRelu", "Log1p",
    "NanToNum", "Negative", "Relu", "Relu6", "Round", "SaturateCast", "Selu", "Sign", "Silu", "Sin", "Sinh",
    "SoftShrink", "Softsign", "Sqrt", "Square", "StopGradient", "Tan", "Tanh", "TanhShrink", "Trunc", "ZerosLike",
)  # fmt: skip
OTHER_UNARY = (
    "Cos", "Cosh", "Exp", "Exp2", "HardSigmoid", "Isfinite", "Isinf", "Isnan", "Log", "Log10", "Log2",
    "LogSigmoid", "LogicalNot", "OnesLike", "Reciprocal", "Rsqrt", "Sigmoid", "Softplus", "SparsePlus",
    "SparseSigmoid", "Squareplus", "Threshold",
)  # fmt: skip
SUMS = ("Add", "Subtract", "Maximum", "Minimum", "Fmax", "Fmin", "Hypot")
PRODUCTS = ("Multiply", "LogicalAnd", "BitwiseAnd")
QUOTIENTS = ("Divide", "TrueDivide", "DivideNoNan", "FloorDivide", "Mod")
COMPARISONS = (
    "Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalOr", "LogicalXor", "Arctan2",
    "Logaddexp", "Logaddexp2", "Heaviside",
)  # fmt: skip


def classes(names: tuple[str, ...]) -> list[type | None]:
    """Return the operation classes of that name."""
    return [operation_class(name) for name in names]


def operands(node: Node) -> list[Any]:
    """Return what a node combines: tensors, variables, arrays and numbers."""
    return [x for x in tree.flatten((node.args, dict(node.kwargs))) if x is not None and not isinstance(x, str | bool)]


def first_of(zeros: list[bool]) -> bool:
    """Say that a removed channel is zero where the first operand is."""
    return zeros[0]


def never(zeros: list[bool]) -> bool:
    """Say that a removed channel may be anything."""
    return False


@register_rule(*classes(ZERO_AT_ZERO), layers.Identity, layers.Dropout, layers.SpatialDropout1D,
               layers.SpatialDropout2D, layers.SpatialDropout3D, layers.ActivityRegularization)  # fmt: skip
class KeepRule(Rule):
    """Each element for itself, and zero stays zero."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on."""
        return walk.flow(node.inputs[0])


@register_rule(*classes(OTHER_UNARY), layers.GaussianNoise, layers.GaussianDropout, layers.AlphaDropout)
class UnaryRule(Rule):
    """Each element for itself, but zero may become something else."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on."""
        x = walk.flow(node.inputs[0])
        return Flow(x.axes, False, x.why)


@register_rule(*classes(SUMS), layers.Add, layers.Subtract, layers.Average, layers.Maximum, layers.Minimum)
class SumRule(Rule):
    """Operands that meet element by element; zeros if all are."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify all operands."""
        return walk.broadcast(operands(node), all)


@register_rule(*classes(PRODUCTS), layers.Multiply)
class ProductRule(Rule):
    """Operands that meet element by element; zeros if one is."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify all operands."""
        return walk.broadcast(operands(node), any)


@register_rule(*classes(QUOTIENTS))
class QuotientRule(Rule):
    """Operands that meet element by element; zeros if the first is and the second has no channels to lose."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify both operands."""
        labelled = bool(walk.flow(operands(node)[1]).labelled)
        return walk.broadcast(operands(node), never if labelled else first_of)


@register_rule(*classes(COMPARISONS), operation_class("Where"))
class CompareRule(Rule):
    """Operands that meet element by element; nothing is said about zeros."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify all operands."""
        return walk.broadcast(operands(node), never)


@register_rule(operation_class("Clip"))
class ClipRule(Rule):
    """Each element between two bounds; zero stays zero if it lies between them."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on."""
        operation: Any = node.operation
        x = walk.flow(node.inputs[0])
        return Flow(x.axes, x.silent and bool(operation.x_min <= 0 <= operation.x_max), x.why)

    def check(self, node: Node) -> str | None:
        """Refuse bounds that differ by position."""
        bounds = node.operation.x_min, node.operation.x_max
        return None if all(isinstance(x, int | float) for x in bounds) else "its bounds are not two numbers"


@register_rule(operation_class("Power"))
class PowerRule(Rule):
    """A power; zero stays zero if the exponent is a positive number."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify both operands."""
        exponent = operands(node)[1]
        return walk.broadcast(operands(node), first_of if isinstance(exponent, int | float) and exponent > 0 else never)


@register_rule(layers.Rescaling)
class RescalingRule(Rule):
    """One scale and offset for all; those of single channels keep them."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        if np.ndim(layer.scale) or np.ndim(layer.offset):
            walk.fix(x.axes, f"{node.path} has a scale for each")
        return Flow(x.axes, x.silent and not np.any(layer.offset), x.why)
