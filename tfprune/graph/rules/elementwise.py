"""What combines tensors element by element, and what leaves each element's channel where it is."""

from __future__ import annotations

from typing import Any

from keras import layers, tree

from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk

ZERO_AT_ZERO = (
    "Absolute", "Arcsin", "Arcsinh", "Arctan", "Arctanh", "Cast", "Cbrt", "Ceil", "Conjugate", "Copy", "Elu", "Erf",
    "Erfinv", "Expm1", "Fabs", "Floor", "Gelu", "Celu", "HardShrink", "HardSilu", "HardTanh", "LeakyRelu", "Log1p",
    "Negative", "Relu", "Relu6", "Round", "SaturateCast", "Selu", "Sign", "Silu", "Sin", "Sinh", "SoftShrink",
    "Softsign", "Sqrt", "Square", "StopGradient", "Tan", "Tanh", "TanhShrink", "Trunc",
)  # fmt: skip
OTHER_UNARY = (
    "Clip", "Cos", "Cosh", "Exp", "Exp2", "HardSigmoid", "Isfinite", "Isinf", "Isnan", "Log", "Log10", "Log2",
    "LogSigmoid", "LogicalNot", "NanToNum", "OnesLike", "Reciprocal", "Rsqrt", "Sigmoid", "Softplus", "SparsePlus",
    "SparseSigmoid", "Squareplus", "Threshold", "ZerosLike",
)  # fmt: skip
SUMS = ("Add", "Subtract", "Maximum", "Minimum", "Fmax", "Fmin", "Logaddexp", "Hypot")
PRODUCTS = ("Multiply", "LogicalAnd", "BitwiseAnd")
QUOTIENTS = ("Divide", "TrueDivide", "DivideNoNan", "FloorDivide", "Mod")
COMPARISONS = (
    "Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalOr", "LogicalXor", "Power", "Arctan2",
)  # fmt: skip


def classes(names: tuple[str, ...]) -> list[type | None]:
    """Return the operation classes of that name."""
    return [operation_class(name) for name in names]


def operands(node: Node) -> list[Any]:
    """Return what a node combines: tensors, variables, arrays and numbers."""
    return [x for x in tree.flatten((node.args, dict(node.kwargs))) if x is not None and not isinstance(x, str | bool)]


def silences(node: Node, walk: Walk) -> list[bool]:
    """Return for each operand whether its removed channels are zero."""
    return [walk.flow(value).silent for value in operands(node)]


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
        return walk.broadcast(operands(node), all(silences(node, walk)))


@register_rule(*classes(PRODUCTS), layers.Multiply)
class ProductRule(Rule):
    """Operands that meet element by element; zeros if one is."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify all operands."""
        return walk.broadcast(operands(node), any(silences(node, walk)))


@register_rule(*classes(QUOTIENTS))
class QuotientRule(Rule):
    """Operands that meet element by element; zeros if the first is and the second has no channels to lose."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify both operands."""
        first, second = operands(node)[:2]
        return walk.broadcast([first, second], walk.flow(first).silent and not walk.flow(second).labelled)


@register_rule(*classes(COMPARISONS), operation_class("Where"))
class CompareRule(Rule):
    """Operands that meet element by element; nothing is said about zeros."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify all operands."""
        return walk.broadcast(operands(node), False)


@register_rule(layers.Rescaling)
class RescalingRule(Rule):
    """One scale and offset for all; those of single channels keep them."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        if isinstance(layer.scale, list | tuple) or isinstance(layer.offset, list | tuple):
            walk.fix(x.axes, f"{node.path} has a scale for each")
        return Flow(x.axes, x.silent and layer.offset == 0, x.why)
