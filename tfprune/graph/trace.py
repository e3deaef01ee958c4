"""From any Keras model to a flat list of calls: nested models inlined, composite layers opened."""

from __future__ import annotations

import re
from typing import Any

import keras
from keras import tree
from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.models.functional import Functional

from tfprune.errors import WRAPPER, InputError, no_weights
from tfprune.graph.alike import differing
from tfprune.graph.node import Node, Tensor
from tfprune.graph.opening import (
    baked,
    batch_size,
    cannot_open,
    check_alone,
    own_weights,
    repeats_of,
    replaced,
    sizes_of,
    takes,
    unfit,
    untouched,
)
from tfprune.graph.rules import find_rule
from tfprune.graph.rules.activation import strange_activation
from tfprune.graph.rules.elementwise import KeepRule
from tfprune.graph.symbolic import symbol_of, symbolic_calls, symbolic_inputs
from tfprune.graph.weight import Constant, ForEachSample, ReadWeight

__all__ = ["Trace", "trace_calls"]

NO_BATCH = "it has no batch"


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
        self._batch: int | None = None
        self._times: dict[int, int] = {}  # how many batches the first axis of a tensor has room for, if it was seen
        self._again = False  # whether a layer's code is called once more, with a batch of another size
        self._opened = 0  # how many layers whose code is being looked at are around
        self._masked: set[int] = set()  # tensors that Keras passes a mask with, or may pass one with
        self._all_masked = False

    @property
    def masked(self) -> bool:
        """Whether Keras passes a mask along with some tensor."""
        return bool(self._masked)

    def new_tensor(self, like: Any) -> Tensor:
        """Return a new tensor of the shape and dtype of a KerasTensor."""
        self._count += 1
        shape = [None if self._is_batch(size) else size for size in like.shape]
        if self._batch is not None and shape and shape[0] is None and like.shape[0] is not None:
            self._times[self._count - 1] = like.shape[0] // self._batch
        return Tensor(self._count - 1, tuple(shape), str(like.dtype))

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
            node = Node(operation, path, args, kwargs, made, rule=rule)
            reason = unfit(operation) or strange_activation(operation) or rule.check(node)
            self.nodes.append(node if reason is None else Node(operation, path, args, kwargs, made, reason))
            return made
        if isinstance(operation, keras.Sequential) and operation._functional is not None:
            operation = operation._functional
        masked = any(isinstance(x, Tensor) and x.index in self._masked for x in tree.flatten((args, dict(kwargs))))
        if is_functional(operation) and same_shapes(operation, args) and not (masked and operation.supports_masking):
            return self._inline(operation, path, args)
        reason = cannot_open(operation)
        if reason is None:
            before = len(self.nodes)
            try:
                return self._open(operation, path, args, kwargs)
            except Exception as error:  # whatever a layer's own code does with symbolic tensors
                del self.nodes[before:]
                reason = f"its call can't be traced ({first_line(error)})"
        if self._opened and isinstance(operation, keras.Layer):
            check_alone(operation, args, kwargs, tensors_of(outputs))
        made = tree.map_structure(self.new_tensor, outputs)
        self.nodes.append(Node(operation, path, args, kwargs, made, reason))
        return made

    def _inline(self, model: Any, path: str, args: Any) -> Any:
        """Record the calls of a functional model."""
        given = [x for x in tree.flatten(args) if isinstance(x, Tensor)]
        known = {id(x): y for x, y in zip(model._inputs, given, strict=True)}
        outside = self._all_masked
        self._all_masked = outside or any(x.index in self._masked for x in given)
        try:
            self._replay(model, path, known)
        finally:
            self._all_masked = outside
        return tree.map_structure(lambda x: known[id(x)], unpack(model._outputs_struct))

    def _open(self, layer: Any, path: str, args: Any, kwargs: Any) -> Any:
        """Record the calls that a layer makes in its `call`.

        Its own weights are tensors to it, so that what it does to them alone is recorded too. Code that can't do with
        that gets the weights, and code that can't do with a batch of unknown size gets one. At last the layers in it
        are called to see what they return.
        """
        outer, errors, before = self._batch, [], len(self.nodes)
        batch = batch_size(layer, args, self._again)
        for size, *how in (
            (None, True, False), (None, False, False), (batch, True, False), (batch, True, True), (batch, False, True)
        ):  # fmt: skip
            self._batch = size
            made, error = self._attempt(layer, path, args, kwargs, *how)
            if error is None and size is not None and not self._again:
                error = self._size_matters(before, layer, path, args, kwargs, *how)
            self._batch = outer
            if error is None:
                return made
            del self.nodes[before:]
            errors.append(error)
        raise next((error for error in errors[::-1] if str(error) != NO_BATCH), errors[0])

    def _size_matters(self, before: int, layer: Any, path: str, args: Any, *call: Any) -> Exception | None:
        """Return what is wrong if a layer's code does something else with a batch of another size; None if not."""
        recorded = self.nodes[before:]
        del self.nodes[before:]
        self._batch, self._again = batch_size(layer, args, True), True
        _, error = self._attempt(layer, path, args, *call)
        self._again = False
        again, self.nodes[before:] = self.nodes[before:], recorded
        where = error is None and differing(recorded, again)
        return TypeError(f"its {where} depends on the batch size") if where else error

    def _attempt(self, *call: Any) -> tuple[Any, Exception | None]:
        """Return what a layer returns, or what went wrong; nothing is recorded then."""
        before = len(self.nodes)
        self._opened += 1
        try:
            return self._call(*call), None
        except Exception as error:  # whatever a layer's own code does with symbolic tensors
            del self.nodes[before:]
            return None, error
        finally:
            self._opened -= 1

    def _call(self, layer: Any, path: str, args: Any, kwargs: Any, symbolic: bool, by_calling: bool) -> Any:
        """Call a layer on symbolic tensors and record what it does."""
        known: dict[int, Tensor] = {}
        symbols: list[keras.KerasTensor] = []

        def symbol(x: Any) -> Any:
            if not isinstance(x, Tensor):
                return x
            shape = list(x.shape)
            if self._batch is not None and shape and shape[0] is None:
                shape[0] = self._batch * self._times.get(x.index, 1)
            like = keras.KerasTensor(tuple(shape), x.dtype)
            if x.index in self._masked:
                set_keras_mask(like, keras.KerasTensor(x.shape[:2], "bool"))
            known[id(like)] = x
            symbols.append(like)
            return like

        own_args, own_kwargs = tree.map_structure(symbol, (args, dict(kwargs)))
        masked = any(get_keras_mask(x) is not None for x in symbols)
        if masked and not is_functional(layer) and any("mask" in name for name in layer._call_signature.parameters):
            raise TypeError("it is given a mask")
        before = len(self.nodes)
        weights = own_weights(layer) if symbolic else {}
        if self._batch is not None and not any(self._is_batch(size) for x in symbols for size in x.shape[:1]):
            raise TypeError(NO_BATCH)
        with untouched(layer) as scope:
            with replaced(layer, weights), symbolic_calls(by_calling) as constants:
                outputs = layer.call(*own_args, **{k: v for k, v in own_kwargs.items() if takes(layer, k)})
            assigned = next((v for v in layer.variables if id(v) in scope.state_mapping), None)
            if assigned is not None:
                raise TypeError(f"it assigns to {assigned.path}")
            outputs = tree.map_structure(lambda x: symbol_of(x, constants), outputs)
            flat = tensors_of(outputs)
            if not all(isinstance(x, keras.KerasTensor) for x in flat):
                raise TypeError("it returns something other than tensors")
            if masked and layer.supports_masking and any(get_keras_mask(x) is None for x in flat):
                raise TypeError("it passes a mask on")
            made = [x for x in flat if id(x) not in known and id(x) not in constants]
            if not made and symbols and outputs is symbols[0] and not layer.variables and takes(layer, "training"):
                kept = self.new_tensor(outputs)  # it does nothing now, but may while training
                self.nodes.append(Node(layer, path, args, kwargs, kept, rule=KeepRule()))
                return kept
            used: set[int] = set()
            if made:
                given = [*symbols, *(like for like, _ in (*weights.values(), *constants.values()))]
                function = keras.Function([x for x in given if hasattr(x, "_keras_history")], made)
                nodes = [node for depth in function._nodes_by_depth.values() for node in depth if not node.is_input]
                if any(None in sizes_of(node.operation) for node in nodes):
                    raise TypeError("it does something with the batch size")
                used = {id(x) for node in nodes for x in node.input_tensors}
                for like, variable in weights.values():
                    if id(like) in used or any(like is x for x in made):
                        known[id(like)] = self.run(ReadWeight(), variable.path, (variable,), {}, like)
            for like, value in constants.values():
                if id(like) in used or any(like is x for x in flat):
                    known[id(like)] = self._constant(value, path, known, like)
            if made:
                self._replay(function, path, known)
        frozen = baked(layer, scope.read, self.nodes[before:])
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
                if self._batch is None or isinstance(node.operation, keras.Layer):
                    made = self.run(node.operation, where, args, kwargs, outputs)
                else:
                    made = self._run_for_batch(node.operation, where, args, kwargs, outputs, known)
                known.update({id(x): y for x, y in zip(node.outputs, tensors_of(made), strict=True)})
                masked = (x for x in node.outputs if self._all_masked or get_keras_mask(x) is not None)
                self._masked.update(known[id(x)].index for x in masked)

    def _is_batch(self, size: Any) -> bool:
        """Whether a number comes from the batch size that a layer's code was given."""
        return self._batch is not None and isinstance(size, int) and size != 0 and size % self._batch == 0

    def _run_for_batch(self, operation: Any, path: str, args: Any, kwargs: Any, outputs: Any, known: Any) -> Any:
        """Record a call whose arguments may have the batch size in them, for any batch size."""

        def spread(x: Any) -> Any:
            shape: Any = getattr(x, "shape", ())
            if isinstance(x, Tensor) or not any(map(self._is_batch, shape)):
                return x
            return self._for_each_sample(self._row_of(x), path, known, shape[0])

        args, kwargs = tree.map_structure(spread, (args, kwargs))
        settings = {k: v for k, v in vars(operation).items() if not k.startswith("_") and k != "name"}
        if not any(map(self._is_batch, tree.flatten((settings, args, kwargs)))):
            return self.run(operation, path, args, kwargs, outputs)
        kind, name = type(operation).__name__, operation.name
        if kind == "Reshape":
            sizes = zip(operation.newshape, outputs.shape, strict=True)
            wanted = tuple(-1 if self._is_batch(new) else size for new, size in sizes)
            if wanted.count(-1) == 1 and None not in wanted:
                return self.run(type(operation)(wanted, name=name), path, args, kwargs, outputs)
        rest = repeats_of(operation, outputs)
        if rest is not None and self._is_batch(outputs.shape[0]):
            value = args[0]
            while len(value.shape) < len(outputs.shape):
                more = keras.KerasTensor((1, *value.shape), value.dtype)
                value = self.run(keras.src.ops.numpy.ExpandDims(0), f"{path}_expand", (value,), {}, more)
            if value.shape[0] != 1:
                raise TypeError(f"its {kind} depends on the batch size")
            made = self._for_each_sample(value, path, known, outputs.shape[0])
            if all(times == 1 for times in rest):
                return made
            return self.run(keras.src.ops.numpy.Tile((1, *rest), name=name), path, (made,), {}, outputs)
        raise TypeError(f"its {kind} depends on the batch size")

    def _row_of(self, value: Any) -> Any:
        """Return what each sample has of a constant with a batch."""
        values = keras.ops.convert_to_numpy(value)
        if not self._is_batch(values.shape[0]) or (values != values[:1]).any():
            raise TypeError("it makes something of the size of the batch")
        return values[:1]

    def _constant(self, value: Any, path: str, known: dict[int, Tensor], like: keras.KerasTensor) -> Any:
        """Record a constant that a layer with weights is called on, or that is returned."""
        if any(map(self._is_batch, value.shape)):
            return self._for_each_sample(self._row_of(value), f"{path}/constant", known, value.shape[0])
        given = (keras.ops.convert_to_numpy(value), self._sample_of(known, 1))
        return self.run(Constant(), f"{path}/constant", given, {}, like)

    def _for_each_sample(self, value: Any, path: str, known: dict[int, Tensor], size: int) -> Any:
        """Record that something with a batch of one is repeated for each sample, or for several parts of each."""
        like = keras.KerasTensor((size, *value.shape[1:]), str(value.dtype))
        given = self._sample_of(known, size // (self._batch or 1))
        return self.run(ForEachSample(), f"{path}_samples", (value, given), {}, like)

    def _sample_of(self, known: dict[int, Tensor], times: int) -> Tensor:
        """Return a tensor whose first axis has room for so many batches."""
        for x in known.values():
            if x.rank and x.shape[0] is None and self._times.get(x.index, 1) == times:
                return x
        raise TypeError("it makes something of a size that no tensor has")


def trace_calls(model: keras.Model) -> Trace:
    """Return the calls of a model.

    Raises:
        InputError: If the model is not built, or nobody knows the shapes of its inputs.
    """
    if not isinstance(model, keras.Model):
        raise InputError(f"{model!r} is not a Keras model; give one.")
    if not model.built:
        raise no_weights(model)
    symbols = symbolic_inputs(model)
    if symbols is None:
        raise InputError(
            f"The input shapes of {model.name!r} are not known; call it on a batch first, or make it functional."
        )
    trace = Trace()
    trace.inputs = tree.map_structure(trace.new_tensor, symbols)
    given, kept = tree.flatten(trace.inputs), tree.flatten(symbols)
    paths = [path for path, _ in tree.flatten_with_path(symbols)]
    for x, symbol, path in zip(given, kept, paths, strict=True):
        layer = getattr(getattr(symbol, "_keras_history", None), "operation", None)
        trace.names[x.index] = "_".join(map(str, path)) or "input" if layer is None else layer.name
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


def tensors_of(structure: Any) -> list[Any]:
    """Return what a structure holds, but for None."""
    return [x for x in tree.flatten(structure) if x is not None]


def unpack(structure: Any) -> Any:
    """Return the only element of a list, anything else itself."""
    return structure[0] if isinstance(structure, list | tuple) and len(structure) == 1 else structure


def first_line(error: Exception) -> str:
    """Return the first line of an error's message that says something, shortened; of Keras' words what it wraps."""
    _, wrapped, rest = re.sub("\x1b\\[[0-9;]*m", "", str(error)).rpartition(WRAPPER)
    lines = [line.strip() for line in rest.splitlines()[1 if wrapped else 0 :] if line.strip()]
    text = lines[0] if lines else type(error).__name__
    if text.startswith("A KerasTensor cannot be used as input to a TensorFlow function"):
        return "it is raw TensorFlow; keras.ops could be followed"
    return text if len(text) <= 160 else f"{text[:157]}…"
