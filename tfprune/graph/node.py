"""The parts of a traced graph: tensors and the calls that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import tree

__all__ = ["Node", "Tensor"]


@dataclass(frozen=True)
class Tensor:
    """A tensor of a graph.

    Args:
        index: Its number in the graph.
        shape: Its shape, batch first; None for an axis of unknown size.
        dtype: Its dtype.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden")])
        >>> tfprune.graph.trace(model).nodes[0].results[0]
        Tensor(index=1, shape=(None, 4), dtype='float32')
    """

    index: int
    shape: tuple[int | None, ...]
    dtype: str

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)


@dataclass(frozen=True)
class Node:
    """One call of one operation.

    Args:
        operation: The layer or `keras.ops` operation.
        path: Where it is in the model, such as `"encoder/block_1/conv"`.
        args: The positional arguments, with a `Tensor` where the call had a tensor.
        kwargs: The keyword arguments, likewise.
        outputs: What the call returned: a `Tensor` or a structure of them.
        opaque: Why nobody can look into it; None if a rule knows what it does.
        rule: The `Rule` that does; None if it is opaque.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"),
        ...                           keras.layers.ReLU(name="relu")], name="net")
        >>> dense, relu = tfprune.graph.trace(model).nodes
        >>> dense.path, dense.kind, relu.inputs == dense.results
        ('hidden', 'Dense', True)
    """

    operation: keras.Operation = field(repr=False)
    path: str
    args: tuple[Any, ...] = field(repr=False)
    kwargs: Mapping[str, Any] = field(repr=False)
    outputs: Any = field(repr=False)
    opaque: str | None = None
    rule: Any = field(default=None, repr=False)

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors among the arguments."""
        return [x for x in tree.flatten((self.args, dict(self.kwargs))) if isinstance(x, Tensor)]

    @property
    def results(self) -> list[Tensor]:
        """The tensors that it makes."""
        return [x for x in tree.flatten(self.outputs) if isinstance(x, Tensor)]

    @property
    def kind(self) -> str:
        """Name of the operation's class."""
        return type(self.operation).__name__

    def argument(self, position: int, *names: str, default: Any = None) -> Any:
        """Return an argument by position or by one of its names."""
        if position < len(self.args):
            return self.args[position]
        return next((self.kwargs[name] for name in names if name in self.kwargs), default)
