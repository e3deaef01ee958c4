"""Products of tensors: einsum, matmul and dot; what is summed over on one side goes on the other too."""

from __future__ import annotations

from typing import Any

from keras import layers

from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk, is_movable


def contract(node: Node, walk: Walk, parts: list[str], values: list[Any], result: str) -> Flow:
    """Return the labels of a product written as an einsum.

    Args:
        node: The call.
        walk: The walk.
        parts: Letters of each operand's axes.
        values: The operands, tensors or variables.
        result: Letters of the result's axes.
    """
    found: dict[str, Axis] = {}
    sizes: dict[str, Any] = {}
    silent: dict[str, bool] = {}  # whether a removed position of the letter is zero in one of the operands
    seen: set[str] = set()
    for part, value in zip(parts, values, strict=True):
        flow = walk.flow(value)
        for letter, axis, size in zip(part, flow.axes, value.shape, strict=True):
            if size == 1 and sizes.get(letter, 1) != 1:
                continue
            if sizes.get(letter) == 1:
                silent.pop(letter)  # what was broadcast says nothing
            why = f"{node.path} multiplies them with {flow.why or 'something that keeps its size'}"
            both = letter in seen and (axis is not None or found[letter] is not None) and sizes[letter] != 1
            found[letter] = walk.same(found[letter], axis, why) if both else axis
            sizes[letter] = size
            silent[letter] = silent.get(letter, False) or flow.silent
            seen.add(letter)
    for letter, axis in found.items():
        if letter not in result and not silent[letter]:
            walk.fix([axis], f"{node.path} adds them up, and they are not zero where they are removed")
    first = parts[0][:1]
    every = [letter for letter in found if letter != first]
    if all(sizes[letter] is not None for letter in every):
        walk.count(1, *(found[letter] for letter in every), sizes=[sizes[letter] for letter in every])
    flows = [walk.flow(value) for value in values]
    why = next((flow.why for flow in flows if flow.why), "")
    zero = all(silent[letter] for letter in result if found[letter] is not None)
    return Flow(tuple(found[letter] for letter in result), zero, why)


@register_rule(operation_class("Einsum"))
class EinsumRule(Rule):
    """Any einsum of tensors and variables."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Follow the letters."""
        values = list(node.args)
        left, result = node.operation.subscripts.replace(" ", "").split("->")
        parts = left.split(",")
        if "..." in left:
            extra = max(
                len(v.shape) - len(p.replace("...", "")) for v, p in zip(values, parts, strict=True) if "..." in p
            )
            dots = "".join(chr(ord("A") + number) for number in range(extra))
            parts = [
                p.replace("...", dots[extra - (len(v.shape) - len(p.replace("...", ""))) :])
                for v, p in zip(values, parts, strict=True)
            ]
            result = result.replace("...", dots)
        return contract(node, walk, parts, values, result)

    def check(self, node: Node) -> str | None:
        """Refuse constants, repeated letters and an equation without an arrow."""
        subscripts = node.operation.subscripts.replace(" ", "")
        if "->" not in subscripts:
            return "its equation has no arrow"
        if not all(is_movable(value) for value in node.args):
            return "it multiplies with a constant"
        if any(
            len(set(p.replace("...", ""))) < len(p.replace("...", "")) for p in subscripts.split("->")[0].split(",")
        ):
            return "its equation repeats a letter"
        return None


@register_rule(operation_class("Matmul"))
class MatmulRule(Rule):
    """A product of matrices, or of stacks of them."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Follow rows, columns and stacks."""
        left, right = node.args
        ranks = len(left.shape), len(right.shape)
        stack = "".join(chr(ord("A") + number) for number in range(max(ranks) - 2))
        one, two = (stack[len(stack) - (rank - 2) :] for rank in ranks)
        return contract(node, walk, [f"{one}xy", f"{two}yz"], [left, right], f"{stack}xz")

    def check(self, node: Node) -> str | None:
        """Refuse vectors and constants."""
        if not all(is_movable(value) for value in node.args):
            return "it multiplies with a constant"
        return None if all(len(value.shape) >= 2 for value in node.args) else "it multiplies vectors"


@register_rule(operation_class("Tensordot"), operation_class("Dot"))
class TensordotRule(MatmulRule):
    """A product over some axes of each side, whose other axes all come into the result."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Follow the axes."""
        left, right = node.args
        one, two = self._axes(node)
        first = [chr(ord("A") + number) for number in range(len(left.shape))]
        second = [chr(ord("a") + number) for number in range(len(right.shape))]
        for a, b in zip(one, two, strict=True):
            second[b] = first[a]
        result = [x for n, x in enumerate(first) if n not in one] + [x for n, x in enumerate(second) if n not in two]
        return contract(node, walk, ["".join(first), "".join(second)], [left, right], "".join(result))

    def _axes(self, node: Node) -> tuple[list[int], list[int]]:
        """Return the axes of each side that are summed over."""
        ranks = [len(value.shape) for value in node.args]
        if node.kind == "Dot":
            return [ranks[0] - 1], [ranks[1] - 2]
        axes = node.operation.axes
        if isinstance(axes, int):
            return list(range(ranks[0] - axes, ranks[0])), list(range(axes))
        pair = [[side] if isinstance(side, int) else list(side) for side in axes]
        one, two = ([axis % rank for axis in side] for side, rank in zip(pair, ranks, strict=True))
        return one, two


@register_rule(layers.Dot)
class DotRule(Rule):
    """A product of two tensors over one axis of each, batch by batch."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Follow the axes."""
        layer: Any = node.operation
        if layer.normalize:
            self._hold_norms(node, walk)
        left, right = node.inputs
        axes = [layer.axes, layer.axes] if isinstance(layer.axes, int) else list(layer.axes)
        one, two = axes[0] % left.rank, axes[1] % right.rank
        first = "".join("z" if n == one else "A" if n == 0 else chr(ord("B") + n) for n in range(left.rank))
        second = "".join("z" if n == two else "A" if n == 0 else chr(ord("b") + n) for n in range(right.rank))
        result = first.replace("z", "") + second.replace("z", "")[1:]
        flow = contract(node, walk, [first, second], [left, right], result)
        missing = node.results[0].rank - len(flow.axes)
        return Flow((*flow.axes, *(None,) * missing), flow.silent, flow.why)

    def _hold_norms(self, node: Node, walk: Walk) -> None:
        """Hold what is divided by its norm and not zero where it is removed."""
        axes = node.operation.axes
        for tensor, axis in zip(node.inputs, [axes, axes] if isinstance(axes, int) else axes, strict=True):
            flow = walk.flow(tensor)
            if not flow.silent:
                walk.fix([flow.axes[axis]], f"{node.path} divides by the norm of all of them")
