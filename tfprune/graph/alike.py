"""Whether two recordings of a layer's code, with batches of different sizes, are the same calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tfprune.graph.node import Node, Tensor

__all__ = ["differing"]


def differing(one: Sequence[Node], other: Sequence[Node]) -> str | None:
    """Return the kind of the first call that has something else in it, or None; names are no difference."""
    if len(one) != len(other):
        return "code"
    number: dict[int, int] = {}
    for a, b in zip(one, other, strict=True):
        parts = facts(a), facts(b)
        if len(parts[0]) != len(parts[1]) or not all(same(x, y, number) for x, y in zip(*parts, strict=True)):
            return a.kind
        number.update({y.index: x.index for x, y in zip(a.results, b.results, strict=True)})
    return None


def facts(node: Node) -> list[Any]:
    """Return what a call is made of, flat: its operation, how that was made, its arguments, shapes of results."""
    operation: Any = node.operation
    settings = {} if isinstance(operation, keras.Layer) else vars(operation)
    own = {name: value for name, value in settings.items() if not name.startswith("_") and name != "name"}
    made = [(x.shape, x.dtype) for x in node.results]
    what = operation if isinstance(operation, keras.Layer) else type(operation)
    return [what, *tree.flatten((own, node.args, dict(node.kwargs), made))]


def same(a: Any, b: Any, number: dict[int, int]) -> bool:
    """Whether two parts of calls are equal."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return number.get(b.index, b.index) == a.index
    if a is b or not (hasattr(a, "shape") and hasattr(b, "shape")):
        return bool(a is b or a == b)
    return np.array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
