"""Variables that layers read multiplied with gates, and how steep the loss is along each gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfprune.backend import need_tensorflow
from tfprune.graph.reading import Reading
from tfprune.graph.tree import own_variables, walk

__all__ = ["Gated", "Multiplied"]

need_tensorflow(__name__)


@dataclass(frozen=True)
class Gated:
    """A variable with gates before some of its weights.

    Args:
        variable: The variable.
        index: Number of the gate before each weight, int, of a shape that broadcasts to the variable's; the number of
            gates where there is none.
    """

    variable: keras.Variable = field(repr=False)
    index: NDArray[np.int64] = field(repr=False)


class Multiplied:
    """Layers whose variables are multiplied with gates as long as it is attached.

    The layers' `call` is replaced, so that the model keeps its class, its weights and its checkpoints, and whoever runs
    it, `fit` or a training loop of one's own, runs it with gates. Steps that were traced before have none, and those
    traced now keep them: have them traced anew.

    Args:
        model: The model.
        gated: The variables with gates.
        count: How many gates there are.
        strategy: The strategy that the model was made under.

    Attributes:
        values: How far each gate is open, float32 (gates + 1,); the last is one.
        slopes: What has been added up of `∂L / ∂z` of each gate, float32 (gates + 1,).
    """

    def __init__(
        self, model: keras.Model, gated: Sequence[Gated], count: int, strategy: tf.distribute.Strategy
    ) -> None:
        self.count = count
        with strategy.scope():
            self.values = tf.Variable(tf.ones(count + 1), trainable=False, name="gates")
            self.slopes = tf.Variable(
                tf.zeros(count + 1), trainable=False, name="gate_slopes",
                synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM,
            )  # fmt: skip
        by_id: dict[int, list[Gated]] = {}
        for one in gated:
            by_id.setdefault(id(one.variable), []).append(one)
        self._owners = owners_of(model, by_id)

    def attach(self) -> None:
        """Have the layers read their variables multiplied."""
        for owner, gated in self._owners:
            detach_layer(owner)
            vars(owner)["call"] = GatedCall(self, owner, gated)

    def detach(self) -> None:
        """Have them read them as they are."""
        for owner, _ in self._owners:
            detach_layer(owner)

    def assign(self, values: NDArray[np.float64]) -> None:
        """Set how far the gates are open, float (gates,)."""
        self.values.assign(np.append(values, 1.0).astype(np.float32))

    def take_slopes(self) -> NDArray[np.float64]:
        """Return `∂L / ∂z` of each gate, added up since the last time, float (gates,)."""
        found = np.asarray(self.slopes.read_value() if hasattr(self.slopes, "read_value") else self.slopes)
        self.slopes.assign(tf.zeros_like(self.slopes))
        return found[:-1].astype(np.float64)

    def product(self, gated: Gated, weights: Any) -> Any:
        """Return a variable's weights multiplied with gates; the gradient adds up the gates' slopes."""
        index = tf.constant(gated.index, tf.int32)
        axes = [axis for axis, size in enumerate(gated.index.shape) if size == 1]
        flat = tf.reshape(index, [-1])

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def multiply(weights: Any, values: Any) -> tuple[Any, Any]:
            factors = tf.cast(tf.gather(values, index), weights.dtype)

            def backward(upstream: Any) -> tuple[Any, None]:
                along = tf.reduce_sum(tf.cast(upstream * weights, tf.float32), axis=axes, keepdims=True)
                each = tf.math.unsorted_segment_sum(tf.reshape(along, [-1]), flat, self.count + 1)
                self.slopes.assign_add(each)
                return upstream * factors, None

            return weights * factors, backward

        return multiply(weights, tf.convert_to_tensor(self.values))

    def fold(self) -> None:
        """Write the products to the variables, and open all gates."""
        for _, gated in self._owners:
            for one in gated:
                values = np.asarray(one.variable.numpy())
                factors = np.asarray(self.values)[one.index]
                one.variable.assign((values * factors).astype(values.dtype))
        self.assign(np.ones(self.count))


class GatedCall:
    """A layer's `call` with gates before its variables.

    Args:
        multiplied: The gates.
        owner: The layer.
        gated: Its variables with gates.
    """

    replaces_call = True
    """`tfprune.strip` takes it off."""

    def __init__(self, multiplied: Multiplied, owner: keras.Layer, gated: Sequence[Gated]) -> None:
        self.multiplied, self.owner, self.gated = multiplied, owner, gated
        self.inner = owner.call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer."""
        products: dict[int, Any] = {}
        for one in self.gated:
            key = id(one.variable)
            weights = products[key] if key in products else tf.convert_to_tensor(one.variable._value)
            products[key] = self.multiplied.product(one, weights)
        with Reading(products, self.owner):
            return self.inner(*args, **kwargs)


def detach_layer(layer: keras.Layer) -> None:
    """Give a layer its own `call` back, also what an interrupted training has left."""
    if isinstance(vars(layer).get("call"), GatedCall):
        del vars(layer)["call"]


def owners_of(model: keras.Model, gated: Mapping[int, Sequence[Gated]]) -> list[tuple[keras.Layer, list[Gated]]]:
    """Return the outermost layers that are no models with the gated variables in them.

    So a recurrent layer multiplies its weights once, and not in each step of its loop.
    """
    found: list[tuple[keras.Layer, list[Gated]]] = []
    seen: set[int] = set()
    for layer in outermost(model, set()):
        own = {id(v): v for _, inner in walk(layer) for v in own_variables(inner)}
        inside = [one for key in own if key in gated and key not in seen for one in gated[key]]
        seen |= {id(one.variable) for one in inside}
        if inside:
            found.append((layer, inside))
    return found


def outermost(model: keras.Layer, seen: set[int]) -> Iterator[keras.Layer]:
    """Yield the layers of a model, those of models in it instead of these."""
    for layer in model._layers:
        if not isinstance(layer, keras.Layer) or id(layer) in seen:
            continue
        seen.add(id(layer))
        if isinstance(layer, keras.Model):
            yield from outermost(layer, seen)
        else:
            yield layer
