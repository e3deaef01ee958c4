"""`tfprune.factorize_layer`: one layer as a chain of smaller ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfprune.arguments import named_arguments
from tfprune.errors import InputError
from tfprune.factorization.base import Array, Factorization, Ranks, factorizations
from tfprune.factorization.fit import fit_factors
from tfprune.factorization.geometry import Geometry, geometry_of
from tfprune.factorization.metric import Metric
from tfprune.factorization.pieces import Piece, Step
from tfprune.factorization.ranks import check_rank, find_ranks
from tfprune.numbers import is_real

__all__ = ["factorize_layer", "find_factors", "make_pieces", "usual_form"]


@named_arguments(method="give form='svd', 'spatial', 'tucker' or another one")
def factorize_layer(
    layer: keras.Layer, form: Any = None, *, rank: Any = None, energy: float | None = None
) -> keras.Model:
    """Return a chain of smaller layers that does what a layer does, nearly; exactly at full rank.

    The bias and the activation stay where they were, behind the last product. What regularises the kernel regularises
    each factor; a constraint on the kernel is left out.

    Args:
        layer: A built Dense, EinsumDense, Embedding, Conv1D, Conv2D or Conv3D layer. It is only read.
        form: How: `"svd"`, `"spatial"`, `"channel_in"`, `"channel_out"`, `"tucker"`, `"cp"`, `"depthwise"`,
            `"grouped"`, or an instance such as `Grouped(groups=8)`. By default `"svd"` for products without a window,
            else `"spatial"`, or `"channel_out"` along one axis. A number, or a tuple of these, is the rank.
        rank: A number from 1 to the full rank, a fraction of it, `"vbmf"` for a hint, or a tuple of these for Tucker.
        energy: Instead, the part of the squared singular values to keep.

    Returns:
        The layers as a Sequential model, or a functional one where some are side by side; use it as a layer.

    Raises:
        InputError: If the layer has no such form, or the rank is out of range.

    Example:
        >>> layer = keras.layers.Conv2D(32, 3, activation="relu")
        >>> layer.build((None, 8, 8, 16))
        >>> chain = tfprune.factorize_layer(layer, "spatial", rank=12)
        >>> x = np.ones((1, 8, 8, 16), "float32")
        >>> chain(x).shape == layer(x).shape, chain.count_params() < layer.count_params()
        (True, True)
    """
    if is_real(form) or (isinstance(form, tuple | list) and form and all(map(is_real, form))):
        if rank is not None or energy is not None:
            raise InputError(f"{form!r} is given as the form; give one rank or energy, and a form by name, as 'svd'.")
        form, rank = None, form
    if rank is None and energy is None:
        raise InputError(
            f"Nothing says how far to factorise {layer.name!r}; give rank=8, rank=0.25 for a quarter of the full rank, "
            "rank='vbmf' or energy=0.9."
        )
    check_rank(rank, energy)
    if not layer.built:
        raise InputError(f"The layer {layer.name!r} has no weights yet; build it, or call it on data once.")
    geometry = geometry_of(layer)
    if isinstance(geometry, str):
        raise InputError(f"The layer {layer.name!r} can't be factorised: {geometry}.")
    chosen = usual_form(geometry) if form is None else factorizations.get(form)
    reason = chosen.check(geometry)
    if reason is not None:
        raise InputError(f"The layer {layer.name!r} has no form {type(chosen).__name__}: {reason}.")
    ranks = find_ranks(chosen, geometry, rank, energy)
    steps = make_pieces(chosen, geometry, find_factors(chosen, geometry, ranks))
    names = [*(f"{layer.name}_factor_{n}" for n in range(1, len(steps))), layer.name]
    made = [step.make(name) for step, name in zip(steps, names, strict=True)]
    shape, name = input_shape(layer, geometry), f"{layer.name}_factors"
    if all(isinstance(step, Piece) for step in steps):
        chain: keras.Model = keras.Sequential([parts[0] for parts in made], name=name)
        chain.build(shape)
    else:
        given = x = keras.Input(batch_shape=shape)
        for step, parts in zip(steps, made, strict=True):
            x = step.call(parts, x)
        chain = keras.Model(given, x, name=name)
    for step, parts in zip(steps, made, strict=True):
        step.fill(parts)
    return chain


def find_factors(
    factorization: Factorization,
    geometry: Geometry,
    ranks: Ranks,
    metrics: Sequence[Metric] | None = None,
    scales: Array | None = None,
    sweeps: int = 8,
) -> list[list[Array]]:
    """Return the factors of each block.

    Args:
        factorization: The form.
        geometry: The layer.
        ranks: Its ranks.
        metrics: What errors cost in each block; by default all errors of weights alike.
        scales: How much each output counts, float (blocks, outputs); by default all alike.
        sweeps: How many sweeps of alternating least squares follow, where the start is not the best there is.
    """
    equation, found = factorization.equation(geometry), []
    for block, kernel in enumerate(factorization.kernels(geometry)):
        metric = metrics[block] if metrics else Metric()
        scale = np.ones(geometry.outputs) if scales is None else scales[block]
        wanted = kernel * scale
        start = factorization.start(wanted, ranks, metric)
        needed = 0 if factorization.is_best(metric, geometry) else sweeps
        *others, last = fit_factors(equation, start, wanted, metric, sweeps=needed)
        found.append(equation.clear(equation.balance([*others, last / scale]), kernel))
    return found


def make_pieces(factorization: Factorization, geometry: Geometry, factors: Sequence[Sequence[Array]]) -> list[Step]:
    """Return the steps that factors of blocks become."""
    return factorization.pieces(geometry, [np.stack(parts) for parts in zip(*factors, strict=True)])


def usual_form(geometry: Geometry) -> Factorization:
    """Return the form that is taken if none is named."""
    for name in ("svd", "spatial", "channel_out"):
        form = factorizations.get(name)
        if form.check(geometry) is None:
            return form
    raise RuntimeError(f"{geometry.layer.name} has no form")


def input_shape(layer: Any, geometry: Geometry) -> tuple[int | None, ...]:
    """Return the shape of a layer's input as far as it is known."""
    known = getattr(layer, "_build_shapes_dict", None) or {}
    shape = next((value for value in known.values() if value is not None), None)
    if isinstance(shape, tuple | list) and not (shape and isinstance(shape[0], tuple | list)):
        return (None, *shape[1:])
    if isinstance(layer, keras.layers.Embedding):
        return (None, None)
    channels = geometry.inputs * geometry.blocks
    if geometry.is_convolution:
        sizes = [None] * len(geometry.window)
        return (None, channels, *sizes) if layer.data_format == "channels_first" else (None, *sizes, channels)
    return (None, channels)
