"""Attention: heads, and the sizes of a head, can go; what comes out is made by the last projection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers
from numpy.typing import NDArray

from tfprune.graph.cut import Cut
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, operation_class, register_rule
from tfprune.graph.walk import Flow, Walk


class ProjectedAttention(Rule):
    """What `MultiHeadAttention` and `GroupedQueryAttention` share.

    The scores are divided by √(head size), so the query projection makes up for a smaller size.
    """

    def propagate(self, node: Node, walk: Walk) -> Flow | list[Flow]:
        """Bind the four projections to their inputs and to each other."""
        layer: Any = node.operation
        query = walk.flow(node.argument(0, "query"))
        value_tensor = node.argument(1, "value")
        value = walk.flow(value_tensor)
        key = walk.flow(node.argument(2, "key", default=None) or value_tensor)
        for flow in (query, key, value):
            walk.fix(flow.axes[1:-1], f"{node.path} attends to all of them")
        steps = [node.argument(0, "query").shape[1:-1], value_tensor.shape[1:-1]]
        projections = self.projections(layer)
        for (projection, source), flow in zip(projections, (query, key, value), strict=True):
            walk.bind(projection.kernel, 0, flow.axes[-1], flow.why)
            heads, size = walk.make(projection.kernel, 1), walk.make(projection.kernel, 2)
            if projection.bias is not None:
                walk.bind(projection.bias, 0, heads)
                walk.bind(projection.bias, 1, size)
            self.count(walk, steps[source], (flow.axes[-1], heads, size), projection.kernel)
        q, k, v = (projection for projection, _ in projections)
        output = layer._output_dense
        self.join(layer, walk, node)
        walk.bind(q.kernel, 2, walk.axis(k.kernel, 2))
        walk.bind(output.kernel, 0, walk.axis(q.kernel, 1))
        walk.bind(output.kernel, 1, walk.axis(v.kernel, 2))
        made = walk.make(output.kernel, 2)
        walk.bind(output.bias, 0, made)
        head_axes = walk.axis(q.kernel, 1)
        self.count(walk, steps[0], (head_axes, walk.axis(v.kernel, 2), made), output.kernel)
        if None not in (*steps[0], *steps[1]):
            pairs = math.prod(steps[0]) * math.prod(steps[1])
            for projection in (q, v):
                sizes = (q.kernel.shape[1], projection.kernel.shape[2])
                walk.count(pairs, head_axes, walk.axis(projection.kernel, 2), sizes=sizes)
        flow = Flow((*query.axes[:-1], made), True, query.why)
        return [flow] if len(node.results) == 1 else [flow, self.scores(node, walk, head_axes)]

    def projections(self, layer: Any) -> list[tuple[Any, int]]:
        """Return query, key and value projections, each with 0 where it reads queries and 1 where it reads values."""
        return [(layer._query_dense, 0), (layer._key_dense, 1), (layer._value_dense, 1)]

    def join(self, layer: Any, walk: Walk, node: Node) -> None:
        """Make the heads of queries, keys and values meet."""

    def scores(self, node: Node, walk: Walk, heads: Axis) -> Flow:
        """Return the labels of the attention scores, (batch, heads, …)."""
        rank = node.results[1].rank
        return Flow((None, heads, *(None,) * (rank - 2)), False)

    @staticmethod
    def count(walk: Walk, steps: Any, axes: tuple[Axis, ...], kernel: Any) -> None:
        """Count a projection's multiply-accumulates."""
        if None not in steps:
            walk.count(math.prod(steps), *axes, sizes=kernel.shape, kernel=kernel)

    def weights(self, node: Node, cut: Cut, variable: keras.Variable, values: NDArray[Any]) -> NDArray[Any]:
        """Return the query projection times √(new head size ÷ old head size)."""
        query: Any = node.operation._query_dense
        if variable is not query.kernel and variable is not query.bias:
            return values
        ratio = cut.size(query.kernel, 2) / query.kernel.shape[2]
        return values if ratio == 1 else (values * math.sqrt(ratio)).astype(values.dtype)

    def check(self, node: Node) -> str | None:
        """Refuse a subclass that computes attention in its own way, and a gate."""
        if getattr(node.operation, "_use_gate", getattr(node.operation, "use_gate", False)):
            return "it has a gate"
        return None


@register_rule(layers.MultiHeadAttention)
class MultiHeadAttentionRule(ProjectedAttention):
    """One head of queries for each of keys and values."""

    def join(self, layer: Any, walk: Walk, node: Node) -> None:
        """Make the heads of all three the same."""
        for other in (layer._key_dense, layer._value_dense):
            walk.bind(other.kernel, 1, walk.axis(layer._query_dense.kernel, 1))

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new heads and sizes."""
        layer: Any = node.operation
        changed: dict[str, Any] = {
            "num_heads": cut.size(layer._query_dense.kernel, 1),
            "key_dim": cut.size(layer._query_dense.kernel, 2),
            "value_dim": cut.size(layer._value_dense.kernel, 2),
        }
        width, shape = cut.size(layer._output_dense.kernel, 2), layer.get_config()["output_shape"]
        if shape is not None or width != cut.shape(node.argument(0, "query"))[-1]:
            changed["output_shape"] = (width,)
        return changed

    def check(self, node: Node) -> str | None:
        """Refuse outputs of several axes and subclasses with their own attention."""
        layer: Any = node.operation
        if type(layer)._compute_attention is not layers.MultiHeadAttention._compute_attention:
            return "it computes attention in its own way"
        if type(layer).build is not layers.MultiHeadAttention.build:
            return "it makes its projections in its own way"
        if len(layer._output_dense.kernel.shape) != 3:
            return "its output has several axes"
        return super().check(node)


@register_rule(getattr(layers, "GroupQueryAttention", None))
class GroupedQueryAttentionRule(ProjectedAttention):
    """Several heads of queries share one of keys and values; every such group keeps as many."""

    def join(self, layer: Any, walk: Walk, node: Node) -> None:
        """Let the queries of a group keep the key and value that they share."""
        keys = walk.axis(layer._key_dense.kernel, 1)
        walk.bind(layer._value_dense.kernel, 1, keys)
        queries = walk.axis(layer._query_dense.kernel, 1)
        if queries is None:
            walk.fix([keys], f"{node.path} has one query head")
            return
        groups = layer.num_key_value_heads
        shared: list[Axis] = walk.labels.split(queries, (groups, len(queries) // groups))
        if groups > 1:
            walk.same(keys, shared[0], f"{node.path} has one key for each query")

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new heads and head size."""
        layer: Any = node.operation
        return {
            "num_query_heads": cut.size(layer._query_dense.kernel, 1),
            "num_key_value_heads": cut.size(layer._key_dense.kernel, 1),
            "head_dim": cut.size(layer._query_dense.kernel, 2),
        }

    def propagate(self, node: Node, walk: Walk) -> Flow | list[Flow]:
        """Also keep the head size of values that of keys, and the output as wide as the queries."""
        layer: Any = node.operation
        flow = super().propagate(node, walk)
        walk.bind(layer._value_dense.kernel, 2, walk.axis(layer._query_dense.kernel, 2))
        walk.bind(layer._output_dense.kernel, 2, walk.flow(node.argument(0, "query")).axes[-1], "the queries keep it")
        return flow


@register_rule(operation_class("DotProductAttention"))
class DotProductAttentionRule(Rule):
    """Attention on projected queries, keys and values, (batch, steps, heads, size)."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Unify heads and sizes."""
        query, key, value = (walk.flow(x) for x in node.args[:3])
        for flow in (query, key, value):
            walk.fix(flow.axes[:2], f"{node.path} attends to all of them")
        why = f"{node.path} meets something that keeps its size"
        if node.args[1].shape[2] == node.args[0].shape[2]:
            heads = query.axes[2]
            for other in (key.axes[2], value.axes[2]):
                if heads is not None or other is not None:
                    heads = walk.same(heads, other, why)
        else:
            heads = None
            walk.fix([query.axes[2], key.axes[2], value.axes[2]], f"{node.path} shares keys between heads")
        for extra in (node.argument(3, "bias"), node.argument(4, "mask")):
            heads = self._meet(walk, heads, extra, why)
        if query.axes[3] is not None or key.axes[3] is not None:
            walk.same(query.axes[3], key.axes[3], why)
        if query.axes[3] is not None or value.axes[3] is not None:  # Keras takes it that the result is like the queries
            walk.same(query.axes[3], value.axes[3], why)
        if not (query.silent or key.silent):
            walk.fix([query.axes[3]], f"{node.path} adds them up, and they are not zero where they are removed")
        return Flow((None, None, heads, value.axes[3]), value.silent, query.why)

    def _meet(self, walk: Walk, heads: Axis, extra: Any, why: str) -> Axis:
        """Make the heads of a bias or mask, (batch, heads, steps, steps), those of the queries."""
        if extra is None or len(extra.shape) < 3:
            return heads
        axes = walk.flow(extra).axes
        walk.fix([*axes[:-3], *axes[-2:]], why)
        if extra.shape[-3] == 1 or (heads is None and axes[-3] is None):
            return heads
        return walk.same(heads, axes[-3], why)

    def call(self, node: Node, cut: Cut, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the arguments with the scale of the head size that there was."""
        named = dict(zip(("query", "key", "value", "bias", "mask", "scale"), args, strict=False)) | dict(kwargs)
        if named.get("scale") is None:
            named["scale"] = 1.0 / math.sqrt(node.args[0].shape[-1])
        first = tuple(named.pop(name) for name in ("query", "key", "value"))
        return first, named


@register_rule(layers.Attention, layers.AdditiveAttention)
class DotAttentionRule(Rule):
    """Luong's and Bahdanau's attention: queries meet keys, values come out."""

    def propagate(self, node: Node, walk: Walk) -> Flow | list[Flow]:
        """Unify queries and keys."""
        layer: Any = node.operation
        tensors = list(node.argument(0, "inputs"))
        query, value = (walk.flow(tensor) for tensor in tensors[:2])
        key = walk.flow(tensors[2]) if len(tensors) > 2 else value
        for given in (query, key, value):
            walk.fix(given.axes[1:-1], f"{node.path} attends to all of them")
        if query.axes[-1] is not None or key.axes[-1] is not None:
            walk.same(query.axes[-1], key.axes[-1], f"{node.path} meets something that keeps its size")
        if isinstance(layer, layers.AdditiveAttention) and layer.scale is not None:
            walk.bind(layer.scale, 0, query.axes[-1])
        if not (query.silent or key.silent):
            walk.fix([query.axes[-1]], f"{node.path} adds them up, and they are not zero where they are removed")
        flow = Flow((None,) * (len(query.axes) - 1) + value.axes[-1:], value.silent, value.why)
        scores = Flow((None,) * (node.results[1].rank if len(node.results) > 1 else 0), False)
        return [flow, scores][: len(node.results)]
