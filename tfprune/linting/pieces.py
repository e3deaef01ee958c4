"""One of the layers that take the place of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

__all__ = ["NewLayer"]


@dataclass(frozen=True)
class NewLayer:
    """A layer to be made.

    Args:
        cls: Its class.
        config: Its constructor's arguments, without the name.
        weights: Its weights, in its order; none if it has none.
        copies: How many times it reads the tensor; more than one for layers that take a list.
        word: What its name gets, if it is not the last.
    """

    cls: Any
    config: dict[str, Any]
    weights: Sequence[Any] = field(default=(), repr=False)
    copies: int = 1
    word: str = "before"

    def make(self, name: str) -> list[Any]:
        """Return the layer, not built yet."""
        return [self.cls.from_config({**self.config, "name": name})]

    def call(self, made: Sequence[Any], x: Any) -> Any:
        """Return what the layer makes of a tensor."""
        return made[0](x if self.copies == 1 else [x] * self.copies)

    def fill(self, made: Sequence[Any]) -> None:
        """Give the layer, once it is built, its weights."""
        if self.weights:
            made[0].set_weights([keras.ops.convert_to_numpy(value) for value in self.weights])
