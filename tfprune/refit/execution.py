"""Running a part of a model: from some of its tensors to others, on arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from keras import tree

from tfprune.backend import without_gradients

__all__ = ["call_of", "run"]


def run(wanted: Sequence[Any], given: Mapping[int, Any], anew: Callable[[Any], bool] | None = None) -> list[Any]:
    """Return the values of symbolic tensors.

    The model's layers are called as they are, in inference mode; nothing is recorded in them. What no later call needs
    is let go.

    Args:
        wanted: Symbolic tensors.
        given: Values of symbolic tensors that they follow from, by `id`.
        anew: Says of an operation whether it is called as in training; none is by default.
    """
    values = dict(given)
    order = calls(wanted, values)
    uses = Counter(id(argument) for node in order for argument in node.input_tensors)
    uses.update(map(id, wanted))
    for node in order:
        args, kwargs = node.arguments.fill_in(values)
        if "training" in kwargs:
            kwargs["training"] = False
        if anew is not None and anew(node.operation):
            kwargs = {**kwargs, "training": True}
        with without_gradients():
            outputs = tree.flatten(node.operation(*args, **kwargs))
        values.update({id(symbol): value for symbol, value in zip(node.outputs, outputs, strict=True)})
        for argument in node.input_tensors:
            uses[id(argument)] -= 1
            if not uses[id(argument)]:
                values.pop(id(argument), None)
    return [values[id(symbol)] for symbol in wanted]


def calls(wanted: Iterable[Any], given: Mapping[int, Any]) -> list[Any]:
    """Return the calls that make symbolic tensors from those given, in an order in which they can be made."""
    order: list[Any] = []
    known = set(given)
    stack = list(wanted)
    while stack:
        symbol = stack[-1]
        if id(symbol) in known:
            stack.pop()
            continue
        node = call_of(symbol)
        if node.is_input:
            raise ValueError(f"{symbol.name} follows from an input that has no value")
        missing = [argument for argument in node.input_tensors if id(argument) not in known]
        stack.extend(missing)
        if not missing:
            stack.pop()
            order.append(node)
            known.update(id(output) for output in node.outputs)
    return order


def call_of(symbol: Any) -> Any:
    """Return the call that makes a symbolic tensor."""
    history = symbol._keras_history
    return history.operation._inbound_nodes[history.node_index]
