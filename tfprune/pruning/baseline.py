"""`tfprune.random_prune`: random weights set to zero, the baseline that a criterion has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune import criteria
from tfprune import granularity as granularities
from tfprune import scope as scopes
from tfprune.arguments import named_arguments
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.amount import name_and_amount
from tfprune.pruning.masks import Rule
from tfprune.pruning.once import prune_once
from tfprune.pruning.pruned import Pruned

__all__ = ["random_prune"]


@named_arguments(dim="give granularity='filter'", sparsity="give amount=0.5", weight="give name='kernel'")
def random_prune(
    model: keras.Layer,
    name: str | float | None = None,
    amount: float | int | None = None,
    *,
    granularity: Any = "weight",
    scope: Any = "layer",
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float] | None = None,
    seed: int = 0,
) -> Pruned:
    """Set random weights to zero, in place: the baseline that a criterion has to beat.

    Args:
        model: A built model or layer.
        name: Only kernels of that name, as `"kernel"`; all that can be pruned by default. A number is the amount: of a
            layer with one kernel `random_prune(layer, 0.5)` is `random_prune(layer, "kernel", 0.5)`.
        amount: Fraction of zeros in the pruned kernels, a float in [0, 1), or an int: exactly so many weights go; of
            several kernels together with `scope="global"`.
        granularity: What goes as one; see `tfprune.prune`.
        scope: `"layer"` or `"global"`; see `tfprune.prune`.
        layers: Layers to prune instead of the default choice.
        skip: Layers to leave alone.
        per_layer: Sparsities of their own for some layers; without an amount only these are pruned.
        seed: Seed; the same one gives the same zeros.

    Returns:
        What was pruned, and how much.

    Raises:
        InputError: If the arguments are not allowed or nothing can be pruned; the model is as before.
        SparsityError: If weights are not finite.

    Example:
        >>> layer = keras.layers.Dense(4)
        >>> layer.build((None, 8))
        >>> random_prune(layer, 0.25).sparsity
        0.25
        >>> random_prune(layer, "kernel", amount=0.5).sparsity
        0.5
    """
    weight, amount = name_and_amount(name, amount)
    rule = Rule(criteria.get("random"), granularities.get(granularity), scopes.get(scope), seed)
    return prune_once(
        model,
        rule,
        amount,
        weight=weight,
        whole=isinstance(model, keras.Model),
        layers=layers,
        skip=skip,
        per_layer=per_layer,
    )
