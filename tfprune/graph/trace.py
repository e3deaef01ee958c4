"""From any Keras model to a flat list of calls: nested models inlined, composite layers opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import tree
from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.models.functional import Functional

from tfprune.errors import InputError
from tfprune.graph.node import Node, Tensor
from tfprune.graph.rules import find_rule
from tfprune.graph.tree import walk as walk_layers

__all__ = ["Trace", "trace_calls"]


class Trace:
    """The calls of one run of a model on symbolic inputs, in the order in which they can be made.

    Attributes:
        nodes: The calls.
        inputs: The model's inputs: a `Tensor` or a structure of them.
        outputs: The model's outputs, likewise.
        names: Names of the inputs, by the index of their tensor.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.inputs: Any = None
        self.outputs: Any = None
        self.names: dict[int, str] = {}
        self._count = 0
        self._masked: set[int] = set()

    def new_tensor(self, like: Any) -> Tensor:
        """Return a new tensor of the shape and dtype of a KerasTensor."""
        self._count += 1
        return Tensor(self._count - 1, tuple(like.shape), str(like.dtype))

    def run(self, operation: keras.Operation, path: str, args: Any, kwargs: Any, outputs: Any) -> Any:
        """Record one call, or the calls that it consists of.

        Args:
            operation: What is called.
            path: Where it is.
            args: Positional arguments, with tensors of this trace.
            kwargs: Keyword arguments, likewise.
            outputs: The KerasTensors that Keras got from this call, for their shapes.

        Returns:
            What the call returns, with tensors of this trace.
        """
        rule = find_rule(operation)
        if rule is not None:
            made = tree.map_structure(self.new_tensor, outputs)
            node = Node(operation, path, args, kwargs, made)
            reason = unfit(operation) or rule.check(node)
            self.nodes.append(node if reason is None else Node(operation, path, args, kwargs, made, reason))
            return made
        if isinstance(operation, keras.Sequential) and operation._functional is not None:
            operation = operation._functional
        masked = any(isinstance(x, Tensor) and x.index in self._masked for x in tree.flatten((args, dict(kwargs))))
        if is_functional(operation) and same_shapes(operation, args) and not masked:
            return self._inline(operation, path, args)
        reason = cannot_open(operation)
        if reason is None:
            before = len(self.nodes)
            try:
                return self._open(operation, path, args, kwargs)
            except Exception as error:  # whatever a layer's own code does with symbolic tensors
                del self.nodes[before:]
                reason = f"its call can't be traced ({first_line(error)})"
        made = tree.map_structure(self.new_tensor, outputs)
        self.nodes.append(Node(operation, path, args, kwargs, made, reason))
        return made

    def _inline(self, model: Any, path: str, args: Any) -> Any:
        """Record the calls of a functional model."""
        given = [x for x in tree.flatten(args) if isinstance(x, Tensor)]
        known = {id(x): y for x, y in zip(model._inputs, given, strict=True)}
        self._replay(model, path, known)
        return tree.map_structure(lambda x: known[id(x)], unpack(model._outputs_struct))

    def _open(self, layer: Any, path: str, args: Any, kwargs: Any) -> Any:
        """Record the calls that a layer makes in its `call`."""
        known: dict[int, Tensor] = {}

        def symbol(x: Any) -> Any:
            if not isinstance(x, Tensor):
                return x
            symbolic = keras.KerasTensor(x.shape, x.dtype)
            if x.index in self._masked:
                set_keras_mask(symbolic, keras.KerasTensor(x.shape[:2], "bool"))
            known[id(symbolic)] = x
            symbols.append(symbolic)
            return symbolic

        symbols: list[keras.KerasTensor] = []
        own_args, own_kwargs = tree.map_structure(symbol, (args, dict(kwargs)))
        masked = any(get_keras_mask(x) is not None for x in symbols)
        if masked and not is_functional(layer) and any("mask" in name for name in layer._call_signature.parameters):
            raise TypeError("it is given a mask")
        before = len(self.nodes)
        with untouched(layer), tf.GradientTape() as tape:
            outputs = layer.call(*own_args, **{k: v for k, v in own_kwargs.items() if takes(layer, k)})
            flat = [x for x in tree.flatten(outputs) if x is not None]
            if not all(isinstance(x, keras.KerasTensor) for x in flat):
                raise TypeError("it returns something other than tensors")
            if masked and layer.supports_masking and any(get_keras_mask(x) is None for x in flat):
                raise TypeError("it passes a mask on")
            made = [x for x in flat if id(x) not in known]
            if made:
                self._replay(keras.Function(symbols, made), path, known)
        frozen = baked(layer, tape, self.nodes[before:])
        if frozen is not None:
            raise TypeError(f"it does something to {frozen.path} alone")
        return tree.map_structure(lambda x: None if x is None else known[id(x)], outputs)

    def _replay(self, function: Any, path: str, known: dict[int, Tensor]) -> None:
        """Record the calls of a graph of Keras nodes; `known` gets a tensor for each KerasTensor."""
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if node.is_input or not node.operation or id(node.outputs[0]) in known:
                    continue

                def switch(x: Any) -> Any:
                    return known[id(x)] if isinstance(x, keras.KerasTensor) else x

                args, kwargs = node.arguments.convert(switch)
                where = f"{path}/{node.operation.name}".lstrip("/")
                outputs = node.outputs[0] if len(node.outputs) == 1 else list(node.outputs)
                made = self.run(node.operation, where, args, kwargs, outputs)
                known.update({id(x): y for x, y in zip(node.outputs, tree.flatten(made), strict=True)})
                self._masked.update(known[id(x)].index for x in node.outputs if get_keras_mask(x) is not None)


def trace_calls(model: keras.Model) -> Trace:
    """Return the calls of a model.

    Raises:
        InputError: If the model is not built, or nobody knows the shapes of its inputs.
    """
    if not isinstance(model, keras.Model):
        raise InputError(f"{model!r} is not a Keras model; give one.")
    if not model.built:
        raise InputError(
            f"{model.name!r} has no weights yet; build it first by calling it on a batch (or model.build)."
        )
    symbols = symbolic_inputs(model)
    if symbols is None:
        raise InputError(
            f"The input shapes of {model.name!r} are not known; call it on a batch first, or make it functional."
        )
    trace = Trace()
    trace.inputs = tree.map_structure(trace.new_tensor, symbols)
    given, kept = tree.flatten(trace.inputs), tree.flatten(symbols)
    trace.names = {x.index: symbol.name for x, symbol in zip(given, kept, strict=True)}
    if isinstance(model, keras.Sequential) and model._functional is not None:
        trace.outputs = trace._inline(model._functional, "", [trace.inputs])
    elif is_functional(model):
        trace.outputs = trace._inline(model, "", [trace.inputs])
    else:
        try:
            trace.outputs = trace._open(model, "", (trace.inputs,), {})
        except Exception as error:
            raise InputError(
                f"{model.name!r} can't be traced: {first_line(error)}. Its call has to be made of Keras layers and "
                "keras.ops; put what is not into a layer of its own."
            ) from error
    return trace


def symbolic_inputs(model: Any) -> Any:
    """Return KerasTensors in the structure that the model is called with, or None."""
    functional = getattr(model, "_functional", None) or model
    structure = getattr(functional, "_inputs_struct", None)
    if structure is not None:
        return tree.map_structure(lambda x: x, structure)
    shapes = list((getattr(model, "_build_shapes_dict", None) or {}).values())
    if len(shapes) != 1:
        return None
    return tree.map_shape_structure(lambda shape: keras.KerasTensor((None, *shape[1:])), shapes[0])


def is_functional(operation: Any) -> bool:
    """Whether an operation is a model made of a graph, with Keras' own `call`."""
    return hasattr(operation, "_nodes_by_depth") and type(operation).call in OWN_CALLS


OWN_CALLS = (Functional.call, keras.Sequential.call)


def same_shapes(model: Any, args: Any) -> bool:
    """Whether a nested model is called with tensors of the shapes that it was made for."""
    given = [x for x in tree.flatten(args) if isinstance(x, Tensor)]
    return len(given) == len(model._inputs) and all(
        tuple(x.shape)[1:] == tuple(own.shape)[1:] for x, own in zip(given, model._inputs, strict=True)
    )


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


def baked(layer: Any, tape: Any, nodes: list[Node]) -> keras.Variable | None:
    """Return a trainable weight that a layer read, but that none of its calls has: a constant was made of it."""
    used: set[int] = set()
    for node in nodes:
        given = [x for x in tree.flatten((node.args, dict(node.kwargs))) if isinstance(x, keras.Variable)]
        used.update(map(id, [*given, *(node.operation.weights if isinstance(node.operation, keras.Layer) else [])]))
    read = {id(variable) for variable in tape.watched_variables()}
    every = [variable for _, inner in walk_layers(layer) for variable in inner._trainable_variables]
    return next((v for v in every if id(v) not in used and id(v.value) in read), None)


def takes(layer: Any, name: str) -> bool:
    """Whether a layer's `call` has an argument."""
    parameters = layer._call_signature.parameters.values()
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)


def unpack(structure: Any) -> Any:
    """Return the only element of a list, anything else itself."""
    return structure[0] if isinstance(structure, list | tuple) and len(structure) == 1 else structure


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, shortened."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 160 else f"{text[:157]}…"


@contextlib.contextmanager
def untouched(layer: keras.Layer) -> Iterator[None]:
    """Forget the calls that Keras notes on a layer and all operations in it while the block runs."""
    operations: list[keras.Operation] = []
    for _, inner in walk_layers(layer):
        operations += [inner, *getattr(inner, "_operations", [])]
    counts = [(inner, len(inner._inbound_nodes), len(inner._outbound_nodes)) for inner in operations]
    try:
        yield
    finally:
        for inner, inbound, outbound in counts:
            del inner._inbound_nodes[inbound:]
            del inner._outbound_nodes[outbound:]
