"""`tfprune.prune_layer`: one layer pruned in one shot, in place."""

from __future__ import annotations

from typing import Any

import keras

from tfprune import criteria
from tfprune import granularity as granularities
from tfprune import scope as scopes
from tfprune.arguments import named_arguments
from tfprune.criteria import Criterion
from tfprune.errors import InputError
from tfprune.granularity import Filter
from tfprune.pruning.amount import name_and_amount
from tfprune.pruning.masks import Rule
from tfprune.pruning.once import prune_once
from tfprune.pruning.pruned import Pruned

__all__ = ["prune_layer"]

OF_THE_KERNEL = ("weights", "rng", "filters", "scale")
"""What criteria ask for that no network has to be known for."""


@named_arguments(
    n="give criterion='l1' or 'l2'",
    dim="give granularity='filter'; filters are along the last axis of a kernel",
    sparsity="give amount=0.5",
    weight="give name='kernel'",
)
def prune_layer(
    layer: keras.Layer,
    name: str | float | None = None,
    amount: float | int | None = None,
    *,
    threshold: float | None = None,
    criterion: Any = "magnitude",
    granularity: Any = "weight",
    scope: Any = "layer",
    model: keras.Model | None = None,
    data: Any = None,
    samples: int = 512,
    seed: int = 0,
) -> Pruned:
    """Set the weights of one layer that matter least to zero, in place; of all in it if it is made of several.

    Args:
        layer: A built layer.
        name: Which of its kernels, as `"kernel"` or `"recurrent_kernel"`; all by default. A number is the amount:
            of a layer with one kernel `prune_layer(layer, 0.5)` is `prune_layer(layer, "kernel", 0.5)`.
        amount: Fraction of zeros in its kernels, a float in [0, 1), or an int: exactly so many weights (or filters) go,
            of several kernels together with `scope="global"`. A pattern such as `"2:4"` needs none.
        threshold: Instead of `amount`: remove what scores below it.
        criterion: What makes a weight, or with whole filters a filter, matter.
        granularity: What goes as one; `"filter"` is a filter of this layer's kernel alone.
        scope: `"layer"` or `"global"`, for a layer with several kernels.
        model: The model that the layer is part of, for criteria that look at data or at the network.
        data: Anything that `fit` of the model takes, for criteria that look at data.
        samples: How many samples of it are used at most.
        seed: Seed of criteria that draw random numbers.

    Returns:
        What was pruned, and how much.

    Raises:
        InputError: If the arguments are not allowed, the layer has no such kernel, or the criterion needs the model.
        SparsityError: If weights are not finite.

    Example:
        >>> layer = keras.layers.Dense(4)
        >>> layer.build((None, 8))
        >>> prune_layer(layer, 0.5).sparsity
        0.5
        >>> prune_layer(layer, "kernel", amount=20).kernels[0].zeros
        20
    """
    weight, amount = name_and_amount(name, amount)
    rule = Rule(criteria.get(criterion), granularities.get(granularity), scopes.get(scope), seed)
    if model is None:
        check_alone(rule, data)
    return prune_once(
        layer if model is None else model,
        rule,
        amount,
        threshold=threshold,
        weight=weight,
        whole=model is None and isinstance(layer, keras.Model),
        layers=[layer],
        data=data,
        samples=samples,
    )


def check_alone(rule: Rule, data: Any) -> None:
    """Raise InputError if a criterion or scope has to know the network that a layer is in."""
    criterion: Criterion = rule.criterion
    channels = isinstance(rule.granularity, Filter) and not criterion.for_weights
    beyond = [name for name in criterion.asks(channels=channels) if name not in OF_THE_KERNEL]
    if (criterion.for_weights or channels) and (beyond or rule.scope.levels or data is not None):
        what = str(criterion) if beyond else str(rule.scope) if rule.scope.levels else "data="
        raise InputError(
            f"{what} is about a layer in its model; give that too: "
            "tfprune.prune_layer(layer, 0.5, criterion=…, model=model, data=…), or call "
            "tfprune.prune(model, 0.5, layers=[layer], criterion=…, data=…)."
        )
