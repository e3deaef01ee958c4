"""Which weights an int8 file holds as integers with a scale for each output channel."""

from __future__ import annotations

from dataclasses import dataclass, field

import keras

from tfprune.graph.opening import unfit
from tfprune.graph.tree import walk

__all__ = ["Kernel", "kernels_of"]


@dataclass(frozen=True)
class Kernel:
    """A kernel that is quantised.

    Args:
        path: Where its layer is in the model.
        layer: The layer that reads it.
        variable: The weights.
        axes: The axes over which they share a scale.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden")])
        >>> [kernel] = kernels_of(model)
        >>> kernel.path, tuple(kernel.variable.shape), kernel.axes  # a scale for each output
        ('hidden', (8, 4), (0,))
    """

    path: str
    layer: keras.Layer = field(repr=False)
    variable: keras.Variable = field(repr=False)
    axes: tuple[int, ...]


def kernels_of(model: keras.Model) -> list[Kernel]:
    """Return the kernels of a model that the converter stores so: of convolutions and of Dense and EinsumDense layers.

    Three-dimensional convolutions have no integer kernel in TFLite; recurrent ones, tables of embeddings and
    normalisations that nothing is folded into have scales of another kind. All of these are left alone.

    Args:
        model: A built model.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.BatchNormalization(), keras.layers.Flatten(),
        ...                           keras.layers.Dense(2, name="head")])
        >>> [kernel.path for kernel in kernels_of(model)]
        ['conv', 'head']
    """
    found = []
    for path, layer in walk(model):
        if layer.built and unfit(layer) is None:
            found += [Kernel(path, layer, getattr(layer, name), axes) for name, axes in scaled_together(layer).items()]
    return found


def scaled_together(layer: keras.Layer) -> dict[str, tuple[int, ...]]:
    """Return the names of a layer's kernels, each with the axes over which weights share a scale."""
    layers = keras.layers
    if isinstance(layer, layers.SeparableConv1D | layers.SeparableConv2D):
        rank = len(layer.pointwise_kernel.shape)
        return {"depthwise_kernel": tuple(range(rank - 2)), "pointwise_kernel": tuple(range(rank - 1))}
    if isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D):
        return {"kernel": tuple(range(len(layer.kernel.shape) - 2))}
    if isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose):
        rank = len(layer.kernel.shape)
        return {"kernel": (*range(rank - 2), rank - 1)}
    if isinstance(layer, layers.Conv1D | layers.Conv2D | layers.Dense):
        return {"kernel": tuple(range(len(layer.kernel.shape) - 1))}
    if isinstance(layer, layers.EinsumDense):
        return {"kernel": contracted(layer)}
    return {}


def contracted(layer: keras.layers.EinsumDense) -> tuple[int, ...]:
    """Return the axes of a kernel that are summed over."""
    operands, made = layer.equation.replace(" ", "").split("->")
    own = operands.split(",")[1].replace(".", "")
    return tuple(axis for axis, letter in enumerate(own) if letter not in made)
