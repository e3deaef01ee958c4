"""Dense, EinsumDense and Embedding: products with a matrix, or rows of one."""

from __future__ import annotations

import math
from typing import Any

from keras import layers

from tfprune.graph.cut import Cut
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.activation import activate
from tfprune.graph.rules.base import Rule, register_rule
from tfprune.graph.walk import Flow, Walk


def unless_bias(flow: Flow, x: Flow, bias: Any) -> Flow:
    """Return the labels of a product whose inputs have labels that pass by the kernel: a bias fills these."""
    return Flow(flow.axes, flow.silent and x.silent and bias is None, flow.why)


@register_rule(layers.Dense)
class DenseRule(Rule):
    """A matrix product over the last axis."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind the kernel to the inputs, make the outputs."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        walk.bind(layer.kernel, 0, x.axes[-1])
        outputs = walk.make(layer.kernel, 1)
        walk.bind(layer.bias if layer.use_bias else None, 0, outputs)
        between = node.results[0].shape[1:-1]
        if None not in between:
            sizes = [*layer.kernel.shape, *between]
            walk.count(1, x.axes[-1], outputs, *x.axes[1:-1], sizes=sizes, kernel=layer.kernel)
        flow = activate(node, walk, (*x.axes[:-1], outputs), x.why)
        passing = any(axis is not None for axis in x.axes[:-1])
        return unless_bias(flow, x, layer.bias) if passing else flow

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new number of units."""
        return {"units": cut.size(node.operation.kernel, 1)}


@register_rule(layers.EinsumDense)
class EinsumDenseRule(Rule):
    """A product with a kernel, by an equation; the letters say which axes meet."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Bind each letter of the kernel to the inputs, or make it."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        given, kernel, made = letters(layer.equation, len(x.axes), node.results[0].rank)
        found: dict[str, Axis] = dict(zip(given, x.axes, strict=True))
        sizes: dict[str, int | None] = dict(zip(given, node.inputs[0].shape, strict=True))
        for number, letter in enumerate(kernel):
            if letter in given:
                walk.bind(layer.kernel, number, found[letter], x.why)
            else:
                found[letter] = walk.make(layer.kernel, number)
            sizes[letter] = layer.kernel.shape[number]
        axes = tuple(found[letter] for letter in made)
        filled = set(made) if layer.bias is not None else set()  # letters along which a bias says nothing of its own
        if layer.bias is not None:
            for back, size in enumerate(reversed(layer.bias.shape), 1):
                if size != 1:
                    walk.bind(layer.bias, -back, axes[-back])
                    filled.discard(made[-back])
        for letter in given:
            if letter not in made and letter not in kernel and not x.silent:
                walk.fix([found[letter]], f"{node.path} adds them up, and they are not zero where they are removed")
        passing = [letter for letter in made if found[letter] is not None and letter not in kernel]
        every = list(dict.fromkeys(letter for letter in given[1:] + kernel if letter != given[0]))
        if all(sizes[letter] is not None for letter in every):
            walk.count(
                1,
                *(found[letter] for letter in every),
                sizes=[sizes[letter] for letter in every],
                kernel=layer.kernel,
            )
        flow = activate(node, walk, axes, x.why)
        silent = all(letter not in filled for letter in made if found[letter] is not None) and (x.silent or not passing)
        return Flow(axes, flow.silent and silent, flow.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new output shape."""
        wanted = node.operation.get_config()["output_shape"]
        sizes = cut.shape(node.results[0])[-len(wanted) :]
        return {"output_shape": [w if w is None else s for w, s in zip(wanted, sizes, strict=True)]}


def letters(equation: str, rank_in: int, rank_out: int) -> tuple[str, str, str]:
    """Return the letters of the inputs, the kernel and the outputs, with an ellipsis spelled out in capital letters."""
    left, made = equation.replace(" ", "").split("->")
    given, kernel = left.split(",")

    def spell(part: str, rank: int) -> str:
        return part.replace("...", "".join(chr(ord("A") + i) for i in range(rank - len(part.replace("...", "")))))

    return spell(given, rank_in), kernel.replace("...", ""), spell(made, rank_out)


@register_rule(layers.Embedding)
class EmbeddingRule(Rule):
    """A row for each token."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Make the columns."""
        tokens = walk.flow(node.inputs[0])
        walk.fix(tokens.axes, f"{node.path} looks up tokens")
        outputs = walk.make(node.operation._embeddings, 1)
        walk.count(0, kernel=node.operation._embeddings)
        return Flow((*(None for _ in tokens.axes), outputs), True)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new width."""
        return {"output_dim": cut.size(node.operation._embeddings, 1)}


@register_rule(getattr(layers, "ReversibleEmbedding", None))
class ReversibleEmbeddingRule(EmbeddingRule):
    """A row for each token, and the way back: products with all rows."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Make the columns, or bind them to the inputs."""
        layer: Any = node.operation
        if not node.argument(1, "reverse", default=False):
            return super().propagate(node, walk)
        x = walk.flow(node.inputs[0])
        if layer.tie_weights:
            walk.bind(layer._embeddings, 1, x.axes[-1], x.why)
        else:
            walk.bind(layer.reverse_embeddings, 0, x.axes[-1], x.why)
            walk.bind(layer._embeddings, 1, x.axes[-1], x.why)  # one size for both in its config
        between = node.results[0].shape[1:-1]
        if None not in between:
            places = math.prod(size or 0 for size in between)
            kernel = layer._embeddings if layer.tie_weights else layer.reverse_embeddings
            walk.count(places * layer.input_dim, x.axes[-1], sizes=[layer.output_dim], kernel=kernel)
        return Flow((*x.axes[:-1], None), x.silent, x.why)
