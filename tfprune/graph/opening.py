"""Opening a layer: what it takes to call its code on symbolic tensors, and to leave no trace of that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tfprune.graph.node import Node, Tensor
from tfprune.graph.tree import own_variables
from tfprune.graph.tree import walk as walk_layers

__all__ = [
    "baked",
    "batch_size",
    "check_alone",
    "cannot_open",
    "own_weights",
    "repeats_of",
    "replaced",
    "sizes_of",
    "takes",
    "unfit",
    "untouched",
]

BATCHES = (1009, 2003, 3001, 4001)
"""Sizes to see by where a layer's code uses that of the batch; the first that is no other size in it is taken."""


def unfit(operation: Any) -> str | None:
    """Return why a layer is beyond every rule, or None."""
    if getattr(operation, "lora_enabled", False):
        return "LoRA is enabled"
    mode = getattr(operation, "quantization_mode", None)
    return None if mode is None else f"it is quantised ({mode})"


def cannot_open(operation: Any) -> str | None:
    """Return why nobody should call a layer to see what it does, or None."""
    if not isinstance(operation, keras.Layer):
        return f"there is no rule for {type(operation).__name__}"
    if isinstance(operation, keras.layers.Lambda):
        return "it is a Lambda"
    if not isinstance(operation, keras.Model) and type(operation).__module__.startswith("keras.src.layers"):
        return f"there is no rule for {type(operation).__name__}"
    return unfit(operation)


def own_weights(layer: Any) -> dict[str, tuple[keras.KerasTensor, keras.Variable]]:
    """Return the weights of its own that are attributes of a layer, each with a KerasTensor like it."""
    own = {id(variable) for variable in own_variables(layer)}
    found = {name: value for name, value in vars(layer).items() if id(value) in own}
    return {name: (keras.KerasTensor(value.shape, value.dtype), value) for name, value in found.items()}


@contextlib.contextmanager
def replaced(layer: Any, weights: Mapping[str, tuple[keras.KerasTensor, keras.Variable]]) -> Iterator[None]:
    """Let attributes of a layer be tensors while the block runs."""
    attributes = vars(layer)
    try:
        attributes.update({name: like for name, (like, _) in weights.items()})
        yield
    finally:
        attributes.update({name: variable for name, (_, variable) in weights.items()})


def batch_size(layer: Any, args: Any, another: bool = False) -> int:
    """Return a batch size that is not to be mistaken for another size, or another one."""
    tensors = [*(x for x in tree.flatten(args) if isinstance(x, Tensor)), *layer.weights]
    sizes = {size for x in tensors for size in x.shape if size}
    fit = [size for size in BATCHES if not any(other % size == 0 for other in sizes)] or list(BATCHES[-2:])
    return fit[min(int(another), len(fit) - 1)]


def sizes_of(operation: Any) -> tuple[Any, ...]:
    """Return the sizes that an operation was made with."""
    found = [getattr(operation, name, None) for name in ("newshape", "shape", "repeats")]
    return () if isinstance(operation, keras.Layer) else tuple(tree.flatten([x for x in found if x is not None]))


def repeats_of(operation: Any, outputs: Any) -> tuple[int, ...] | None:
    """Return how often an operation that repeats along the batch does so along the other axes; None if it doesn't."""
    kind, rank = type(operation).__name__, len(outputs.shape)
    if kind == "BroadcastTo":
        return (1,) * (rank - 1)
    if kind == "Tile" and np.size(operation.repeats) == rank:
        return tuple(operation.repeats[1:])
    return (1,) * (rank - 1) if kind == "Repeat" and operation.axis == 0 else None


class Reading(keras.StatelessScope):  # type: ignore[misc]
    """A scope in which nothing is assigned, and which knows what has been read.

    Attributes:
        read: The `id` of every variable whose value was asked for.
    """

    def __init__(self) -> None:
        super().__init__(collect_losses=True)
        self.read: set[int] = set()

    def get_current_value(self, ref: Any) -> Any:
        """Return a variable's value in this scope."""
        self.read.add(id(ref))
        return super().get_current_value(ref)


def baked(layer: Any, read: set[int], nodes: list[Node]) -> keras.Variable | None:
    """Return a trainable weight that a layer read, but that none of its calls has: a constant was made of it."""
    used: set[int] = set()
    for node in nodes:
        given = [x for x in tree.flatten((node.args, dict(node.kwargs))) if isinstance(x, keras.Variable)]
        used.update(map(id, [*given, *(node.operation.weights if isinstance(node.operation, keras.Layer) else [])]))
    every = [variable for _, inner in walk_layers(layer) for variable in inner._trainable_variables]
    return next((v for v in every if id(v) not in used and id(v) in read), None)


def takes(layer: Any, name: str) -> bool:
    """Whether a layer's `call` has an argument."""
    parameters = layer._call_signature.parameters.values()
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)


def check_alone(layer: keras.Layer, args: Any, kwargs: Any, outputs: list[Any]) -> None:
    """Check that a layer in another's code can stand in a graph of its own, where Keras calls it as it always does.

    Raises:
        TypeError: If it returns something else there.
    """

    def symbol(x: Any) -> Any:
        return keras.KerasTensor(x.shape, x.dtype) if isinstance(x, Tensor) else x

    given = tree.map_structure(symbol, (args, dict(kwargs)))
    with untouched(layer):
        made = tree.flatten(layer(*given[0], **given[1]))
    if len(made) != len(outputs):
        raise TypeError(f"{layer.name} says that it returns {len(made)} tensors, and returns {len(outputs)}")


@contextlib.contextmanager
def untouched(layer: keras.Layer) -> Iterator[Reading]:
    """Forget what Keras notes on a layer and all operations in it: calls, losses and what is assigned to weights."""
    operations: list[keras.Operation] = []
    for _, inner in walk_layers(layer):
        operations += [inner, *getattr(inner, "_operations", [])]
    counts = [(inner, len(inner._inbound_nodes), len(inner._outbound_nodes)) for inner in operations]
    losses = [(inner, list(inner._losses)) for inner in operations if hasattr(inner, "_losses")]
    try:
        with Reading() as scope:
            yield scope
    finally:
        for inner, inbound, outbound in counts:
            del inner._inbound_nodes[inbound:]
            del inner._outbound_nodes[outbound:]
        for inner, before in losses:
            inner._losses[:] = before
