"""Running a part of a model: from some of its tensors to others, on arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras import tree

__all__ = ["call_of", "run"]


def run(wanted: Sequence[Any], given: Mapping[int, Any]) -> list[Any]:
    """Return the values of symbolic tensors.

    The model's layers are called as they are, in inference mode; nothing is recorded in them.

    Args:
        wanted: Symbolic tensors.
        given: Values of symbolic tensors that they follow from, by `id`.
    """
    values = dict(given)
    for node in calls(wanted, values):
        args, kwargs = node.arguments.fill_in(values)
        if "training" in kwargs:
            kwargs["training"] = False
        outputs = tree.flatten(node.operation(*args, **kwargs))
        values.update({id(symbol): value for symbol, value in zip(node.outputs, outputs, strict=True)})
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
