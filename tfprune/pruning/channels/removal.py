"""`tfprune.prune_filters`: whole filters, neurons and heads removed in one shot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune.arguments import named_arguments
from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.channels.filters import OTHER_NAMES, plan_filters
from tfprune.refit.carry_out import carry_out

__all__ = ["prune_filters"]


@named_arguments(**OTHER_NAMES)
def prune_filters(
    model: keras.Model,
    budget: Budget | float | None = None,
    *,
    data: Any = None,
    samples: int = 1024,
    refit: bool | None = None,
    criterion: Any = None,
    scope: Any = None,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float | int] | None = None,
    round_to: int | None = None,
    min_channels: int | Mapping[keras.Layer | str, int] = 1,
    optimizer: bool = False,
    seed: int = 0,
    verbose: int = 1,
) -> keras.Model:
    """Return a smaller model without the channels that matter least: filters, neurons, units and heads, really removed.

    With `data`, samples without labels, the channels are chosen and what is left is refitted so that its layers do what
    the whole network's did: a minute or so, no training. The given model is only read.

    Args:
        model: A built model of any kind.
        budget: What the network may cost (`Budget(macs=0.5)`), or the fraction of channels to remove.
        data: Samples of what the model is used on: anything `fit` takes. Labels are not used, but where there are any
            the accuracy before and after is printed.
        samples: How many of them are used at most.
        refit: Whether to refit; by default if there are data.
        criterion: What makes a channel matter; see `plan_filters`.
        scope: Among which channels the lowest scores are looked for; see `plan_filters`.
        layers: Only channels that these layers make (objects, types, names, paths).
        skip: No channels that these layers make.
        per_layer: For the channels that a layer makes: the fraction to remove as a float, or the number to keep.
        round_to: Kept channels are a multiple of this, or all that there are; see `plan_filters`.
        min_channels: No group keeps fewer; or how many those keep at least that some layers make.
        optimizer: Whether the new optimizer remembers what the old one did.
        seed: Seed of criteria that draw random numbers, and of the choice of rows that layers are seen with.
        verbose: 1 prints what is removed and what that does, 2 also the error of each layer, 0 nothing.

    Returns:
        A plain functional model of stock Keras layers; see `tfprune.shrink`.

    Raises:
        InputError: As for `plan_filters`.
        SparsityError: If the model has weights that are not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> prune_filters(model, 0.5, verbose=0).layers[1].filters
        8
        >>> images = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
        >>> prune_filters(model, Budget(macs=0.5), data=images, verbose=0).count_params() < model.count_params()
        True
    """
    if refit and data is None:
        raise InputError("A refit needs data: samples of what the model is used on, without labels.")
    plan = plan_filters(
        model,
        budget,
        data=data,
        samples=samples,
        criterion=criterion,
        scope=scope,
        layers=layers,
        skip=skip,
        per_layer=per_layer,
        round_to=round_to,
        min_channels=min_channels,
        seed=seed,
        verbose=verbose,
    )
    if verbose:
        print(plan)
    return carry_out(plan, model, plan.predicted_layers, refit=refit, optimizer=optimizer, verbose=verbose)
