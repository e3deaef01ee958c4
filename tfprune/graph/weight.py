"""What a layer's own code does with its weights, constants and the batch size, as operations of the graph."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from keras.backend import standardize_dtype

from tfprune.graph.node import Node
from tfprune.graph.rules.base import Rule, register_rule
from tfprune.graph.walk import Flow, Walk

__all__ = ["Constant", "ForEachSample", "ReadWeight"]


class ReadWeight(keras.Operation):  # type: ignore[misc]
    """The value of a weight as a tensor."""

    def call(self, variable: keras.Variable) -> Any:
        """Return the value."""
        return variable.value

    def compute_output_spec(self, variable: keras.Variable) -> keras.KerasTensor:
        """Return its shape and dtype."""
        return keras.KerasTensor(variable.shape, variable.dtype)


class ForEachSample(keras.Operation):  # type: ignore[misc]
    """A tensor without a batch, or with a batch of one, repeated for each sample of another."""

    def call(self, value: Any, batch: Any) -> Any:
        """Return the value with a zero added for each sample: nothing of the samples goes into it."""
        rank = max(len(value.shape), 1)
        first = (slice(None),) + (slice(0, 1),) * (len(batch.shape) - 1)
        one = batch[first]
        zeros = ops.reshape(ops.zeros_like(one, dtype=standardize_dtype(value.dtype)), (-1, *(1,) * (rank - 1)))
        return ops.logical_or(zeros, value) if str(zeros.dtype) == "bool" else zeros + value

    def compute_output_spec(self, value: Any, batch: Any) -> keras.KerasTensor:
        """Return its shape and dtype."""
        return keras.KerasTensor((None, *value.shape[1:]), value.dtype)


class Constant(ForEachSample):
    """A constant as a tensor: what is made of it by layers is not made once and for all."""

    def call(self, value: Any, batch: Any) -> Any:
        """Return the value with a zero added: nothing of the samples goes into it."""
        zero = ops.zeros_like(ops.reshape(batch, (-1,))[(slice(0, 1),)], dtype=standardize_dtype(value.dtype))
        zero = ops.reshape(zero, (1,) * len(value.shape))
        return ops.logical_or(zero, value) if str(zero.dtype) == "bool" else zero + value

    def compute_output_spec(self, value: Any, batch: Any) -> keras.KerasTensor:
        """Return its shape and dtype."""
        return keras.KerasTensor(value.shape, standardize_dtype(value.dtype))


@register_rule(ReadWeight)
class ReadWeightRule(Rule):
    """The labels of the variable's axes."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Return the labels of the variable."""
        return walk.flow(node.args[0])


@register_rule(ForEachSample)
class ForEachSampleRule(Rule):
    """The labels of what is repeated."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Pass labels on, but for those of the batch."""
        x = walk.flow(node.args[0])
        return Flow((None, *x.axes[1:]), x.silent, x.why)


@register_rule(Constant)
class ConstantRule(Rule):
    """No labels: a constant's axes keep their sizes."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Return no labels."""
        return Flow((None,) * node.results[0].rank)
