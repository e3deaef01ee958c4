"""The layers that take the place of a factorised one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Union, cast

import numpy as np
from keras import layers
from numpy.typing import NDArray

from tfprune.cost.operation import Operation, each, einsum_shape, operation_of
from tfprune.factorization.geometry import Geometry
from tfprune.refit import EinsumDenseForm

__all__ = ["Branches", "Piece", "Step", "convolution", "depthwise", "product"]

Array = NDArray[Any]

Step = Union["Piece", "Branches"]
"""What a chain is made of."""

LAST = ("use_bias", "bias_axes", "activation", "bias_initializer", "bias_regularizer", "bias_constraint",
        "activity_regularizer")  # fmt: skip
"""What of a layer's config only the last piece has."""

COMMON = ("dtype", "trainable", "kernel_initializer", "kernel_regularizer", "data_format")
"""What all have."""


@dataclass(frozen=True)
class Piece:
    """A layer to be made.

    Args:
        cls: Its class.
        config: Its constructor's arguments.
        kernel: Its kernel. To ask for costs only, an array without memory of its own will do.
        bias: Its bias, of the last piece.
    """

    cls: type
    config: dict[str, Any]
    kernel: Array = field(repr=False)
    bias: Array | None = field(default=None, repr=False)

    def make(self, name: str) -> list[Any]:
        """Return the layer; its weights come with `fill`."""
        return [self.cls.from_config({**self.config, "name": name})]  # type: ignore[attr-defined]

    def call(self, made: Sequence[Any], x: Any) -> Any:
        """Return what the layer makes of a tensor."""
        return made[0](x)

    def fill(self, made: Sequence[Any]) -> None:
        """Give the layer, once it is built, its weights."""
        layer = made[0]
        kernel = layer.embeddings if isinstance(layer, layers.Embedding) else layer.kernel
        kernel.assign(self.kernel)
        if self.bias is not None:
            layer.bias.assign(self.bias)

    def operations(self, shape: Sequence[int | None]) -> list[Operation]:
        """Return what it does to an input of some shape, batch first."""
        return [operation_of(self.cls, self.config, shape, self.kernel.shape)]

    def after(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of its output."""
        made = self.operations(shape)[0]
        if issubclass(self.cls, layers.EinsumDense):
            return einsum_shape(self.config["equation"], shape, self.kernel.shape)
        if self.config.get("data_format") == "channels_first" and made.window:
            return (shape[0], made.outputs, *made.made)
        return (shape[0], *made.made, made.outputs)


@dataclass(frozen=True)
class Branches:
    """Layers side by side, with what they make put together along the channels.

    Args:
        pieces: The layers.
        axis: The axis of the channels.
    """

    pieces: tuple[Piece, ...]
    axis: int = -1

    def make(self, name: str) -> list[Any]:
        """Return the layers, the last of which puts together."""
        made = [piece.make(f"{name}_{number}")[0] for number, piece in enumerate(self.pieces, 1)]
        return [*made, layers.Concatenate(axis=self.axis, name=name)]

    def call(self, made: Sequence[Any], x: Any) -> Any:
        """Return what the layers make of a tensor."""
        return made[-1]([layer(x) for layer in made[:-1]])

    def fill(self, made: Sequence[Any]) -> None:
        """Give the layers, once they are built, their weights."""
        for piece, layer in zip(self.pieces, made, strict=False):
            piece.fill([layer])

    def operations(self, shape: Sequence[int | None]) -> list[Operation]:
        """Return what they do to an input of some shape, and the copy that puts together."""
        found = [piece.operations(shape)[0] for piece in self.pieces]
        total = sum(one.outputs for one in found)
        return [*found, Operation("elementwise", found[0].made, total, total, bias=False)]

    def after(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of their output."""
        one = list(self.pieces[0].after(shape))
        one[self.axis] = (one[self.axis] or 0) * len(self.pieces)
        return tuple(one)


def configured(geometry: Geometry, kernel: Array, cls: type, *, last: bool, **config: Any) -> Piece:
    """Return a piece with what it takes over from the layer."""
    layer = geometry.layer
    own = geometry.config
    whole = {key: own[key] for key in COMMON if key in own}
    whole.update({key: own[key] for key in LAST if key in own} if last else {"use_bias": False})
    bias = np.asarray(layer.bias.numpy()) if last and getattr(layer, "bias", None) is not None else None
    if cls in (layers.Dense, layers.EinsumDense):
        whole.pop("data_format", None)
    if cls is layers.EinsumDense:
        whole.pop("use_bias", None)
    if isinstance(layer, layers.Embedding):
        whole |= {"use_bias": False, "kernel_initializer": own["embeddings_initializer"]}
    return Piece(cls, {**whole, **config}, kernel, bias)


def convolution(
    geometry: Geometry, kernel: Array, axes: Sequence[int] | None = None, *, groups: int = 1, last: bool
) -> Piece:
    """Return a convolution.

    Args:
        geometry: The layer that it is a piece of.
        kernel: Float (blocks, window…, inputs, outputs); a window as large as the layer's along some axes.
        axes: The axes of the window along which it moves as the layer does; all by default. Along the others it has
            size and step 1.
        groups: Groups in each block.
        last: Whether it is the last piece, with the bias and the activation.
    """
    layer = geometry.layer
    axes = range(len(geometry.window)) if axes is None else axes
    moved = np.moveaxis(kernel, 0, -2)
    window = [size if axis in axes else 1 for axis, size in enumerate(geometry.window)]
    flat = moved.reshape(*window, kernel.shape[-2], -1)
    config = {
        "filters": flat.shape[-1],
        "kernel_size": tuple(window),
        "strides": tuple(n if axis in axes else 1 for axis, n in enumerate(layer.strides)),
        "dilation_rate": tuple(n if axis in axes else 1 for axis, n in enumerate(layer.dilation_rate)),
        "padding": layer.padding if axes else "valid",
        "groups": geometry.blocks * groups,
    }
    return configured(geometry, flat, type_of(layer), last=last, **config)


def depthwise(geometry: Geometry, kernel: Array) -> Piece | Branches:
    """Return depthwise convolutions that are not the last piece, side by side if there are several for each channel.

    One with a depth multiplier would be the same, but devices run several without many times faster.

    Args:
        geometry: The layer that it is a piece of.
        kernel: Float (blocks, window…, channels, windows for each channel). What is made has all channels with their
            first window, then all with their second; of a layer in groups, each channel with all of its windows.
    """
    layer = geometry.layer
    if kernel.shape[-1] > 1 and geometry.blocks == 1:
        each = [depthwise(geometry, kernel[..., n : n + 1]) for n in range(kernel.shape[-1])]
        first = layer.data_format == "channels_first"
        return Branches(tuple(cast("list[Piece]", each)), 1 if first else -1)
    flat = np.moveaxis(kernel, 0, -3).reshape(*geometry.window, -1, kernel.shape[-1])
    cls = layers.DepthwiseConv1D if len(geometry.window) == 1 else layers.DepthwiseConv2D
    config = {
        "kernel_size": geometry.window,
        "strides": tuple(layer.strides),
        "dilation_rate": tuple(layer.dilation_rate),
        "padding": layer.padding,
        "depth_multiplier": kernel.shape[-1],
    }
    piece = configured(geometry, flat, cls, last=False, **config)
    for key in ("initializer", "regularizer"):
        piece.config[f"depthwise_{key}"] = piece.config.pop(f"kernel_{key}", None) or (
            "glorot_uniform" if key == "initializer" else None
        )
    return piece


def product(geometry: Geometry, kernel: Array, *, last: bool) -> Piece:
    """Return one of two products over channels that take the place of one.

    Args:
        geometry: The layer that it is a piece of.
        kernel: Float (blocks, inputs, outputs).
        last: Whether it is the last piece.
    """
    layer = geometry.layer
    if geometry.is_convolution:
        shaped = kernel.reshape(kernel.shape[0], *(1 for _ in geometry.window), *kernel.shape[1:])
        return convolution(geometry, shaped, () if last else None, last=last)
    if isinstance(layer, layers.Embedding) and not last:
        own = geometry.config
        config = {key: own[key] for key in ("input_dim", "mask_zero", "dtype", "trainable", "embeddings_initializer",
                                            "embeddings_regularizer")}  # fmt: skip
        return Piece(layers.Embedding, {**config, "output_dim": kernel.shape[-1]}, kernel[0])
    if isinstance(layer, layers.EinsumDense):
        return einsum(geometry, kernel, last=last)
    return configured(geometry, kernel[0], layers.Dense, last=last, units=kernel.shape[-1])


def einsum(geometry: Geometry, kernel: Array, *, last: bool) -> Piece:
    """Return one of two `EinsumDense` layers: the first sums over the inputs, the second makes the outputs."""
    form = cast(EinsumDenseForm, geometry.form)
    own = geometry.config
    sizes = dict(zip(form.letters, form.kernel.shape, strict=True))
    sizes.update(zip(named(form.made), each(own["output_shape"], 1), strict=True))
    rank = next(letter for letter in "rstuvwxyzabcdefghijklmnopq" if letter not in form.given + form.made)
    kept = form.given.replace(form.inner[0], rank)
    for letter in form.inner[1:]:
        kept = kept.replace(letter, "")
    names = [*form.blocks, rank, *form.outer] if last else [*form.blocks, *form.inner, rank]
    sizes[rank] = kernel.shape[1 if last else 2]
    left, right = (kept, form.made) if last else (form.given, kept)
    return configured(
        geometry,
        kernel.reshape([sizes[letter] for letter in names]),
        layers.EinsumDense,
        last=last,
        equation=f"{left},{''.join(names)}->{right}",
        output_shape=tuple(sizes[letter] for letter in named(right)),
    )


def named(part: str) -> str:
    """Return the letters of an equation's part that stand for what is neither the batch nor an ellipsis."""
    return part.replace("...", "") if part.startswith("...") else part.replace("...", "")[1:]


def type_of(layer: Any) -> type:
    """Return the stock class of a convolution."""
    return next(cls for cls in (layers.Conv1D, layers.Conv2D, layers.Conv3D) if isinstance(layer, cls))
