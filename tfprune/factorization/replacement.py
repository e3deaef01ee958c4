"""`tfprune.factorize`: the layers of a network replaced by chains of smaller ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune.arguments import named_arguments
from tfprune.console import console
from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.factorization.network import OTHER_NAMES, plan_factorization
from tfprune.graph.choice import LayerChoice
from tfprune.refit.carry_out import carry_out

__all__ = ["factorize"]


@named_arguments(**OTHER_NAMES)
def factorize(
    model: keras.Model,
    budget: Budget | None = None,
    *,
    form: Any = None,
    rank: Any = None,
    energy: float | None = None,
    data: Any = None,
    samples: int = 1024,
    refit: bool | None = None,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, Any] | None = None,
    round_to: int = 1,
    optimizer: bool = False,
    seed: int = 0,
    verbose: int = 1,
) -> keras.Model:
    """Return a model with layers factorised into smaller ones: a plain functional model of stock Keras layers.

    With `data`, samples without labels, factors are chosen for what they do to the layers' outputs, and then refitted
    layer by layer, on what the factorised network makes of the samples, to give what the whole network's layers gave.
    No training. The given model is only read.

    Args:
        model: A built model of any kind; one that was pruned or shrunk too.
        budget: What the network may cost (`Budget(macs=0.5)`); or give `rank`, `energy` or `per_layer`.
        form: The form or forms to choose from, by name or instance; see `plan_factorization`.
        rank: The rank of every layer: a number, a fraction of the full rank, or `"vbmf"`.
        energy: The part of the squared singular values that every layer keeps.
        data: Samples of what the model is used on: anything `fit` takes. Labels are not used, but where there are any
            the accuracy before and after is printed.
        samples: How many of them are used at most.
        refit: Whether to refit; by default if there are data.
        layers: Only these layers (objects, types, names, paths).
        skip: None of these.
        per_layer: Ranks of their own for some layers: what `rank` takes, or a pair of a form and that.
        round_to: Ranks are multiples of this where they are chosen.
        optimizer: Whether the new optimizer remembers what the old one did of the weights that stay.
        seed: Seed of the choice of rows that layers are seen with.
        verbose: 1 prints what is done and what that does, 2 also a table of the layers, 0 nothing.

    Returns:
        The model. Of each factorised layer the last factor has its name, bias and activation.

    Raises:
        InputError: As for `plan_factorization`.

    Example:
        >>> keras.utils.set_random_seed(0)
        >>> model = keras.Sequential([keras.Input((8, 8, 8)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> images = np.random.default_rng(0).normal(size=(512, 8, 8, 8)).astype("float32")
        >>> small = factorize(model, Budget(macs=0.5), data=images, verbose=0)
        >>> small.count_params() < model.count_params(), small(images).shape
        (True, TensorShape([512, 2]))
    """
    if refit and data is None:
        raise InputError("A refit needs data: samples of what the model is used on, without labels.")
    plan = plan_factorization(
        model,
        budget,
        form=form,
        rank=rank,
        energy=energy,
        data=data,
        samples=samples,
        layers=layers,
        skip=skip,
        per_layer=per_layer,
        round_to=round_to,
        seed=seed,
        verbose=verbose,
    )
    if verbose > 1:
        console().print(plan.table())
    elif verbose:
        print(plan)
    return carry_out(plan, model, plan.predicted, refit=refit, optimizer=optimizer, verbose=verbose)
