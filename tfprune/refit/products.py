"""Dense layers as matrices: rows are vectors of inputs."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers

from tfprune.graph.rules.dense import letters
from tfprune.refit.forms import Array, Form, Places, Shape, product, register_form

__all__ = ["DenseForm", "EinsumDenseForm"]


@register_form(layers.Dense)
class DenseForm(Form):
    """A product over the last axis; each position along the others is a row.

    Example:
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 5, 3))
        >>> form = DenseForm(layer)
        >>> form.size, form.count((None, 5, 3), (None, 5, 2))  # one block of 3 inputs and 2 outputs; 5 rows of a sample
        ((1, 3, 2), 5)
    """

    def matrix(self, kernel: Array) -> Array:
        """Return (1, inputs, outputs)."""
        return kernel[None]

    def kernel_of(self, matrix: Array) -> Array:
        """Return (inputs, outputs)."""
        return matrix[0]

    def count(self, x: Shape, y: Shape) -> int:
        """Return the number of positions between the batch and the last axis."""
        return product(x[1:-1])

    def rows(self, x: Array, y: Shape, places: Places) -> Array:
        """Return the vectors at some positions."""
        return x.reshape(len(x), -1, x.shape[-1])[:, places].reshape(1, -1, x.shape[-1])

    def targets(self, y: Array, places: Places) -> Array:
        """Return the outputs at some positions."""
        return self.rows(y, y.shape, places)


@register_form(layers.EinsumDense)
class EinsumDenseForm(Form):
    """A product by an equation: letters of the kernel that inputs and outputs share are blocks.

    Args:
        layer: The layer.

    Example:
        >>> layer = keras.layers.EinsumDense("abc,bcd->abd", output_shape=(4, 2))
        >>> layer.build((None, 4, 3))
        >>> EinsumDenseForm(layer).size  # b is a block, c is summed over, d is made
        (4, 3, 2)
    """

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        left, made = layer.equation.replace(" ", "").split("->")
        given, kernel = left.split(",")
        self.letters = kernel.replace("...", "")
        self.given, self.made = given, made
        self.blocks = [x for x in self.letters if x in given and x in made]
        self.inner = [x for x in self.letters if x in given and x not in made]
        self.outer = [x for x in self.letters if x not in given]

    @property
    def bias(self) -> keras.Variable | None:
        """The bias; None if it lacks a value for each output."""
        bias = self.layer.bias
        wanted = math.prod(self._sizes(self.blocks + self.outer))
        return bias if bias is not None and math.prod(bias.shape) == wanted else None

    def matrix(self, kernel: Array) -> Array:
        """Return (shared letters, summed letters, made letters), each flat."""
        order = [self.letters.index(x) for x in self.blocks + self.inner + self.outer]
        return kernel.transpose(order).reshape([math.prod(self._sizes(x)) for x in self._parts()])

    def kernel_of(self, matrix: Array) -> Array:
        """Return a matrix in the order of the kernel's letters."""
        names = self.blocks + self.inner + self.outer
        return matrix.reshape(self._sizes(names)).transpose([names.index(x) for x in self.letters])

    def count(self, x: Shape, y: Shape) -> int:
        """Return the number of positions along letters that pass by the kernel."""
        names = self._spelled(self.given, len(x))
        made = self._spelled(self.made, len(y))
        return product(x[n] for n, name in enumerate(names) if n and name in made and name not in self.letters)

    def rows(self, x: Array, y: Shape, places: Places) -> Array:
        """Return the inputs along the summed letters."""
        names, made = self._spelled(self.given, x.ndim), self._spelled(self.made, len(y))
        for axis in reversed(range(x.ndim)):
            if names[axis] not in made and names[axis] not in self.letters:
                x, names = x.sum(axis), names[:axis] + names[axis + 1 :]
        return self._pick(x, names, self.inner, places)

    def targets(self, y: Array, places: Places) -> Array:
        """Return the outputs along the made letters."""
        return self._pick(y, self._spelled(self.made, y.ndim), self.outer, places)

    def _pick(self, x: Array, names: str, last: list[str], places: Places) -> Array:
        between = [name for name in names[1:] if name not in self.blocks and name not in last]
        order = [names.index(name) for name in (*self.blocks, names[0], *between, *last)]
        sizes = dict(zip(names, x.shape, strict=True))
        blocks, width = (math.prod(sizes[name] for name in part) for part in (self.blocks, last))
        flat = x.transpose(order).reshape(blocks, len(x), -1, width)[:, :, places]
        return flat.reshape(blocks, -1, width)

    def _parts(self) -> tuple[list[str], list[str], list[str]]:
        return self.blocks, self.inner, self.outer

    def _sizes(self, names: list[str]) -> list[int]:
        sizes = dict(zip(self.letters, self.kernel.shape, strict=True))
        return [sizes[x] for x in names]

    def _spelled(self, part: str, rank: int) -> str:
        """Return letters with an ellipsis spelled out, as many as a tensor has axes."""
        return letters(f"{part},->", rank, 0)[0]
