"""Linear layers as what they are: rows of inputs times a matrix, plus a bias."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import Any, TypeVar

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.refit.gram import Gram

__all__ = ["Form", "find_form", "form_of", "register_form"]

Array = NDArray[Any]
Places = NDArray[np.int64]
Shape = tuple[int | None, ...]
F = TypeVar("F", bound="type[Form]")


class Form(abc.ABC):
    """A linear layer as blocks of matrices, `y = x @ matrix + bias` for each block. Most layers are one block.

    To teach the refit a layer, extend this class and register it.

    Args:
        layer: The layer.

    Example:
        A layer of your own that is linear:

        >>> from tfprune.refit.forms import Form, find_form, register_form
        >>> class OwnDense(keras.layers.Dense):
        ...     def call(self, inputs):
        ...         return keras.ops.add(keras.ops.matmul(inputs, self.kernel), self.bias)
        >>> @register_form(OwnDense)
        ... class OwnDenseForm(Form):
        ...     def matrix(self, kernel):
        ...         return kernel[None]
        ...     def kernel_of(self, matrix):
        ...         return matrix[0]
        ...     def count(self, x, y):
        ...         return 1
        ...     def rows(self, x, y, places):
        ...         return x[None]
        ...     def targets(self, y, places):
        ...         return y[None]
        >>> layer = OwnDense(2)
        >>> y = layer(np.ones((1, 3)))
        >>> form = find_form(layer)
        >>> bool(np.allclose(form.rows(np.ones((1, 3)), y.shape, [0]) @ form.weights + form.offsets, y))
        True
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    @property
    def kernel(self) -> keras.Variable:
        """The kernel."""
        return self.layer.kernel

    @property
    def bias(self) -> keras.Variable | None:
        """The bias; None if there is none that has a value for each output."""
        return self.layer.bias if self.layer.use_bias else None

    @abc.abstractmethod
    def matrix(self, kernel: Array) -> Array:
        """Return a kernel, or an array of its shape, as (blocks, inputs, outputs)."""

    @abc.abstractmethod
    def kernel_of(self, matrix: Array) -> Array:
        """Return a matrix, (blocks, inputs, outputs), in the layout of the kernel."""

    @abc.abstractmethod
    def count(self, x: Shape, y: Shape) -> int:
        """Return how many rows a sample has, from the shapes of the inputs and outputs."""

    @abc.abstractmethod
    def rows(self, x: Array, y: Shape, places: Places) -> Array:
        """Return the rows that the matrix is multiplied with, (blocks, samples × places, inputs).

        Args:
            x: Inputs of the layer.
            y: Shape of its outputs.
            places: Numbers of the rows of a sample that are wanted.
        """

    @abc.abstractmethod
    def targets(self, y: Array, places: Places) -> Array:
        """Return outputs of the layer in the layout of `rows @ matrix`, (blocks, samples × places, outputs)."""

    @property
    def weights(self) -> Array:
        """The kernel as it is, (blocks, inputs, outputs)."""
        return self.matrix(np.asarray(self.kernel.numpy()))

    @property
    def offsets(self) -> Array:
        """The bias as it is, or zeros, (blocks, outputs)."""
        shape = self.size[::2]
        return np.zeros(shape) if self.bias is None else self.flat_bias(np.asarray(self.bias.numpy()))

    @property
    def size(self) -> tuple[int, int, int]:
        """Numbers of blocks, inputs of each, and outputs of each."""
        blocks, inputs, outputs = self.matrix(np.empty(self.kernel.shape, np.int8)).shape
        return blocks, inputs, outputs

    def flat_bias(self, bias: Array) -> Array:
        """Return a bias as (blocks, outputs)."""
        return bias.reshape(self.size[::2])

    def write(self, matrix: Array, bias: Array | None) -> None:
        """Give the layer new weights."""
        self.kernel.assign(self.kernel_of(matrix))
        if bias is not None and self.bias is not None:
            self.bias.assign(bias.reshape(self.bias.shape))

    def nearest(self, matrix: Array, bias: Array, gram: Gram) -> tuple[Array, Array]:
        """Return what the layer can have that is nearest to weights: any, unless it is made of factors.

        Args:
            matrix: Float (blocks, inputs, outputs).
            bias: Float (blocks, outputs).
            gram: Moments of the layer's rows and targets.
        """
        return matrix, bias

    def numbers(self) -> NDArray[np.int64]:
        """Return the number of the output that each weight makes, in the layout of the kernel."""
        blocks, inputs, outputs = self.size
        flat = np.arange(blocks * outputs).reshape(blocks, 1, outputs)
        return self.kernel_of(np.repeat(flat, inputs, axis=1))


forms: dict[type, type[Form]] = {}


def register_form(*classes: Any) -> Callable[[F], F]:
    """Return a class decorator that says how some layers are linear.

    Args:
        *classes: Layer classes; a subclass that has not overridden `call` is linear in the same way.

    Example:
        >>> from tfprune.refit import DenseForm, register_form
        >>> from tfprune.refit.forms import find_form
        >>> class Noted(keras.layers.Dense):
        ...     def call(self, inputs):  # could be anything, so the layer has no form
        ...         return super().call(inputs)
        >>> layer = Noted(2)
        >>> layer.build((None, 3))
        >>> find_form(layer)
        >>> _ = register_form(Noted)(DenseForm)  # it does what Dense does
        >>> find_form(layer).size  # blocks, inputs, outputs
        (1, 3, 2)
    """

    def decorate(form: F) -> F:
        forms.update(dict.fromkeys(classes, form))
        return form

    return decorate


def find_form(layer: Any) -> Form | None:
    """Return the linear form of a layer; None if it has none, or is quantised or adapted (LoRA)."""
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        return None
    for cls in type(layer).__mro__:
        if cls in forms:
            return forms[cls](layer) if getattr(cls, "call", None) is type(layer).call else None
    return None


def form_of(layer: Any) -> Form:
    """Return the linear form of a layer that has one."""
    form = find_form(layer)
    if form is None:
        raise RuntimeError(f"{layer.name} has no linear form")
    return form


def product(sizes: Any) -> int:
    """Return the product of sizes; an unknown one counts as 1."""
    return math.prod(size or 1 for size in sizes)
