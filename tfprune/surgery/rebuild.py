"""A model made anew from its graph: stock layers with the sizes that are left, and sliced weights."""

from __future__ import annotations

import contextlib
import copy
import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops, tree

from tfprune.errors import InputError, one_line
from tfprune.graph.blocks import Block
from tfprune.graph.cut import Cut
from tfprune.graph.graph import Graph
from tfprune.graph.node import Node, Tensor
from tfprune.graph.rules import Rule
from tfprune.graph.weight import Constant, ForEachSample, ReadWeight
from tfprune.surgery.kept import record_kept

__all__ = ["Link", "Rebuilt"]


class Link(Protocol):
    """One of the steps that take the place of a layer; all but the last are named by their `word`, or "factor"."""

    def make(self, name: str) -> list[Any]:
        """Return its layers, not built yet."""

    def call(self, made: Sequence[Any], x: Any) -> Any:
        """Return what its layers make of a tensor."""

    def fill(self, made: Sequence[Any]) -> None:
        """Give its layers, once they are built, their weights."""


class Rebuilt:
    """A model under construction.

    Args:
        graph: The graph of the model that there is.
        cut: What is left of it.
        drop: Residual blocks that go: their shortcut takes the place of the sum.
        chains: What takes the place of some layers, one after the other, by `id` of the layer. The last has its name.

    Attributes:
        origins: The variable of the old model behind each variable of the new one, by `id` of the new.
        tensors: The new symbolic tensor for each of the graph, by its index.
        operations: The new operation for each old one, by `id` of the old; the last of a chain.
        links: The new layers of each step of each chain, by `id` of the layer whose place they take.
    """

    def __init__(
        self, graph: Graph, cut: Cut, drop: Sequence[Block] = (), chains: Mapping[int, Sequence[Link]] | None = None
    ) -> None:
        self.graph = graph
        self.cut = cut
        self._shortcuts = {block.position: block.shortcut for block in drop}
        self._gone = {number for block in drop for number in block.nodes}
        self.origins: dict[int, keras.Variable] = {}
        self.tensors: dict[int, Any] = {}
        self.operations: dict[int, keras.Operation] = {}
        self.links: dict[int, list[list[Any]]] = {}
        self._chains = chains or {}
        self._held: dict[int, Any] = {}
        self._anchor: Any = None
        self._names: set[str] = set()

    def model(self) -> keras.Model:
        """Return the new model."""
        with uncollected():
            return self._build()

    def _build(self) -> keras.Model:
        inputs = tree.map_structure(self._input, self.graph.trace.inputs)
        self._anchor = tree.flatten(inputs)[0]
        for number, node in enumerate(self.graph.nodes):
            if number in self._shortcuts:
                self.tensors[node.results[0].index] = self.tensors[self._shortcuts[number].index]
            elif number not in self._gone:
                self._run(node)
        outputs = tree.map_structure(lambda x: self.tensors[x.index], self.graph.trace.outputs)
        model = keras.Model(inputs, outputs, name=self.graph.model.name)
        record_kept(self.graph, self.cut, {key: made.name for key, made in self.operations.items()}, model)
        return model

    def _input(self, tensor: Tensor) -> Any:
        name = self._name(self.graph.trace.names.get(tensor.index, "input"), "input")
        made = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
        self.tensors[tensor.index] = made
        return made

    def _run(self, node: Node) -> None:
        rule: Rule | None = None if node.opaque else node.rule
        args, kwargs = tree.map_structure(self._argument, (node.args, dict(node.kwargs)))
        if isinstance(node.operation, ReadWeight | ForEachSample):
            self.tensors[node.results[0].index] = args[0] if len(args) == 1 else node.operation.call(*args)
            return
        if id(node.operation) in self._chains:
            self.tensors[node.results[0].index] = self._through(node, args[0] if args else next(iter(kwargs.values())))
            return
        if rule is not None:
            args, kwargs = rule.call(node, self.cut, args, kwargs)
        if isinstance(node.operation, keras.Layer):
            outputs = self._layer(node, rule)(*args, **kwargs)
            if not any(isinstance(x, keras.KerasTensor) for x in tree.flatten(outputs)):
                raise RuntimeError(f"{node.path} ({node.kind}) was called on values, before it has its weights")
            self._copy_weights(node, rule)
        else:
            outputs = self._function(node, rule)(*args, **kwargs)
        if rule is not None:
            outputs = rule.after(node, self.cut, outputs)
        made = [x for x in tree.flatten(outputs) if x is not None]
        self.tensors.update({old.index: new for old, new in zip(node.results, made, strict=True)})

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self.tensors[value.index]
        if isinstance(value, keras.Variable):
            return self._weight(value)
        return self.cut.constant(value)

    def _through(self, node: Node, x: Any) -> Any:
        """Return what the layers make of a tensor that take the place of a node's."""
        key, links = id(node.operation), self._chains[id(node.operation)]
        if key not in self.links:
            words = [getattr(link, "word", "factor") for link in links[:-1]]
            names = [f"{node.operation.name}_{word}_{number}" for number, word in enumerate(words, 1)]
            self.links[key] = [
                link.make(self._name(name, node.path))
                for link, name in zip(links, [*names, node.operation.name], strict=True)
            ]
            self.operations[key] = self.links[key][-1][-1]
        for link, made in zip(links, self.links[key], strict=True):
            x = link.call(made, x)
            link.fill(made)
        return x

    def _layer(self, node: Node, rule: Rule | None) -> keras.Layer:
        layer: Any = node.operation
        if id(layer) not in self.operations:
            self.operations[id(layer)] = self._make(node, rule)
        return self.operations[id(layer)]

    def _make(self, node: Node, rule: Rule | None) -> keras.Operation:
        operation: Any = node.operation
        if isinstance(operation, keras.layers.Lambda):  # its function, not a copy of its code without its globals
            settings = {
                "output_shape": operation._output_shape,
                "mask": operation.mask,
                "dtype": operation.dtype_policy,
            }
            name = self._name(operation.name, node.path)
            return type(operation)(operation.function, arguments=operation.arguments, name=name, **settings)
        cls: Any = type(operation) if rule is None else rule.made(node)
        changes = {} if rule is None else rule.config(node, self.cut)
        try:
            config = configuration(operation)
        except Exception as error:  # whatever somebody's own get_config does
            told = one_line(str(error))
            raise InputError(
                f"The layer {node.path} ({node.kind}) can't be copied, as its get_config fails ({told}); let it return "
                "what the constructor takes."
            ) from error
        name = self._name(operation.name, node.path)
        try:
            made: keras.Operation = cls.from_config({**config, "name": name, **changes})
        except (TypeError, ValueError) as error:
            if not node.opaque:
                raise
            raise InputError(
                f"The layer {node.path} ({node.kind}) can't be copied: its constructor doesn't take what get_config "
                f"gives. It had to be, as {node.opaque}."
            ) from error
        return made

    def _function(self, node: Node, rule: Rule | None) -> keras.Operation:
        try:
            return self._make(node, rule)
        except (TypeError, ValueError, InputError):
            if rule is not None and rule.config(node, self.cut):
                raise
            operation: Any = copy.copy(node.operation)  # it has arguments that no config holds
            operation._inbound_nodes, operation._outbound_nodes = [], []
            operation.name = self._name(node.operation.name, node.path)
            return operation

    def _copy_weights(self, node: Node, rule: Rule | None) -> None:
        old, new = node.operation.weights, self.operations[id(node.operation)].weights
        if len(old) != len(new):
            raise InputError(
                f"The layer {node.path} ({node.kind}) has {len(old)} weights, but its copy made from get_config() has "
                f"{len(new)}; its config has to describe all of it."
            )
        for source, target in zip(old, new, strict=True):
            if id(target) in self.origins:
                continue  # a layer that is called again
            values = self.cut.slice(source, np.asarray(source.numpy()))
            if rule is not None:
                values = rule.weights(node, self.cut, source, values)
            if tuple(values.shape) != tuple(target.shape):
                raise RuntimeError(f"{source.path}: {values.shape} is left, but its copy has the shape {target.shape}")
            target.assign(values)
            self.origins[id(target)] = source
        if old and hasattr(node.operation, "finalize_state"):  # a Normalization computes with copies of its weights
            made: Any = self.operations[id(node.operation)]
            made.finalize_state()

    def _weight(self, variable: keras.Variable) -> Any:
        """Return a tensor with the values of a variable that no stock layer holds: a Dense layer on a constant one."""
        values = self.cut.slice(variable, np.asarray(variable.numpy()))
        if not keras.backend.is_float_dtype(variable.dtype):
            return Constant().call(values, self._anchor)  # a layer called on plain values would compute at once
        if id(variable) not in self._held:
            first = ops.reshape(self._anchor, (-1,))[(slice(0, 1),)]
            one = ops.reshape(ops.ones_like(first, dtype=variable.dtype), (1, 1))
            name = self._name(variable.name, variable.path)
            dense = keras.layers.Dense(values.size, use_bias=False, name=name, trainable=variable.trainable)
            flat = dense(one)
            dense.kernel.assign(values.reshape(1, -1))
            self.origins[id(dense.kernel)] = variable
            self._held[id(variable)] = ops.reshape(flat, values.shape)
        return self._held[id(variable)]

    def _name(self, name: str, path: str) -> str:
        """Return a name that nothing else has: the old one, else the path, else one with a number."""
        if "/" in name:
            raise InputError(
                f"The layer {name[:100]!r} can't be copied, as Keras makes none with '/' in its name; give it another "
                f"(layer.name = {name.strip('/').replace('/', '_')[:100]!r})."
            )
        candidates = [name, path.replace("/", "_")]
        number = 1
        while True:
            for candidate in candidates:
                if candidate not in self._names:
                    self._names.add(candidate)
                    return candidate
            candidates = [f"{name}_{number}"]
            number += 1


def configuration(operation: Any) -> dict[str, Any]:
    """Return what a layer or operation is made with."""
    if type(operation) is keras.layers.Identity:  # it has no get_config of its own: Keras fails if it was given objects
        names = ("trainable", "autocast", "activity_regularizer")
        return {"dtype": operation.dtype_policy.name, **{name: getattr(operation, name) for name in names}}
    config = dict(operation.get_config())
    # a function that is not registered with Keras is found by no name
    functions = {
        name for name, value in config.items() if isinstance(value, dict) and value.get("class_name") == "function"
    }
    return config | {name: getattr(operation, name) for name in functions if callable(getattr(operation, name, None))}


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Let Python not look for garbage meanwhile: what is being built is none, and each look takes longer than the last.

    With it, the time to build a model grows with its size; without, faster.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
