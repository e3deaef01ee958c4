"""Symbolic tensors, and what Keras is asked to do while a layer's code runs on them: to say more, to refuse less."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import keras
from keras import tree
from keras.src.backend.common.symbolic_scope import in_symbolic_scope
from keras.src.layers import layer as layer_module
from keras.src.ops.node import Node
from keras.src.ops.numpy import Ndim
from keras.src.ops.operation import Operation

from tfprune.graph.rules.dense import letters

__all__ = ["symbol_of", "symbolic_calls", "symbolic_inputs"]


def symbol_of(value: Any, constants: dict[int, tuple[keras.KerasTensor, Any]]) -> Any:
    """Return a KerasTensor for a constant, which is noted with it; anything else as it is."""
    other = isinstance(value, keras.KerasTensor | keras.Variable)
    if other or not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return value
    like = keras.KerasTensor(value.shape, keras.backend.standardize_dtype(value.dtype))
    constants[id(like)] = (like, value)
    return like


def is_own(layer: keras.Layer) -> bool:
    """Whether a layer is not one of Keras."""
    return not type(layer).__module__.startswith("keras.src.")


@contextlib.contextmanager
def symbolic_calls(by_calling: bool = False) -> Iterator[dict[int, tuple[keras.KerasTensor, Any]]]:
    """Let layers in the code of another be recorded that Keras would refuse, or would make constants of.

    A layer may return None beside tensors. One that has weights and is called on constants only, as an embedding of
    positions is, gets symbolic tensors for them. The number of axes is a number. EinsumDense keeps quiet about sizes
    that its inputs have, and MultiHeadAttention refuses arguments that a subclass has more than it.

    Args:
        by_calling: Whether the `call` of layers that are not Keras' own says what they return, and not their
            `compute_output_shape`, which they may have inherited from a layer with fewer outputs.

    Yields:
        The constants that layers were called on, each with its KerasTensor, by `id` of that.
    """
    constants: dict[int, tuple[keras.KerasTensor, Any]] = {}
    dense, attention = keras.layers.EinsumDense, keras.layers.MultiHeadAttention
    call, shape_of, spec_of = keras.Layer.__call__, dense.compute_output_shape, attention.compute_output_spec
    layer_spec = keras.Layer.compute_output_spec
    taken = set(inspect.signature(spec_of).parameters)

    def call_on_symbols(self: Any, *args: Any, **kwargs: Any) -> Any:
        values = tree.flatten((args, kwargs))
        if self.variables and not in_symbolic_scope() and not any(isinstance(x, keras.KerasTensor) for x in values):
            args, kwargs = tree.map_structure(lambda x: symbol_of(x, constants), (args, kwargs))
        return call(self, *args, **kwargs)

    def node_of(operation: Any, call_args: Any, call_kwargs: Any, outputs: Any) -> Node:
        return Node(operation, call_args, call_kwargs, [x for x in tree.flatten(outputs) if x is not None])

    def exact_shape(self: Any, input_shape: Any) -> tuple[int | None, ...]:
        shape = shape_of(self, input_shape)
        given, _, made = letters(self.equation, len(input_shape), len(shape))
        sizes = dict(zip(given, input_shape, strict=True))
        return tuple(sizes.get(letter) if size is None else size for letter, size in zip(made, shape, strict=True))

    def exact_spec(self: Any, *args: Any, **kwargs: Any) -> Any:
        if by_calling and is_own(self):
            return Operation.compute_output_spec(self, *args, **kwargs)
        known = {name: value for name, value in kwargs.items() if name in taken or value is not None}
        return spec_of(self, *args, **known)

    def called_spec(self: Any, *args: Any, **kwargs: Any) -> Any:
        return (Operation.compute_output_spec if is_own(self) else layer_spec)(self, *args, **kwargs)

    instead = [
        (keras.Layer, "__call__", call_on_symbols),
        (layer_module, "Node", node_of),
        (Ndim, "symbolic_call", lambda self, x: len(x.shape)),
        (dense, "compute_output_shape", exact_shape),
        (attention, "compute_output_spec", exact_spec),
    ]
    instead += [(keras.Layer, "compute_output_spec", called_spec)] if by_calling else []
    own = [vars(owner).get(name) for owner, name, _ in instead]
    for owner, name, new in instead:
        setattr(owner, name, new)
    try:
        yield constants
    finally:
        for (owner, name, _), old in zip(instead, own, strict=True):
            delattr(owner, name) if old is None else setattr(owner, name, old)


def symbolic_inputs(model: Any) -> Any:
    """Return KerasTensors in the structure that the model is called with, or None."""
    functional = getattr(model, "_functional", None) or model
    structure = getattr(functional, "_inputs_struct", None)
    if structure is not None:
        return tree.map_structure(lambda x: x, structure)
    shapes = list((getattr(model, "_build_shapes_dict", None) or {}).values())
    if len(shapes) != 1:
        return None
    made = tree.map_shape_structure(lambda shape: keras.KerasTensor((None, *shape[1:])), shapes[0])
    return plain(made)


def plain(structure: Any) -> Any:
    """Return a structure whose dicts and lists are not those that Keras tracks."""
    if isinstance(structure, dict):
        return {key: plain(value) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return (tuple if isinstance(structure, tuple) else list)(map(plain, structure))
    return structure
