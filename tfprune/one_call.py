"""`tfprune.prune`: weights set to zero in one call, at once, in stages, or while the model is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune import criteria, schedules
from tfprune import granularity as granularities
from tfprune import scope as scopes
from tfprune.arguments import named_arguments
from tfprune.backend import is_dataset
from tfprune.callbacks import PruneCallback
from tfprune.errors import InputError
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.masks import Rule
from tfprune.pruning.once import prune_once
from tfprune.pruning.pruned import Pruned, measured
from tfprune.pruning.pruner import make_schedule
from tfprune.schedules import StepSchedule
from tfprune.statistics.examples import unpack

__all__ = ["prune"]


@named_arguments(
    sparsity="give amount=0.5",
    ratio="give amount=0.5",
    pruning_ratio="give amount=0.5",
    target_sparsity="give amount=0.5",
    budget="call prune_filters(model, Budget(macs=0.5)), which returns a smaller model",
    schedule="give pruning_schedule=[(0.5, 1), (0.8, 2)], pairs (sparsity, epoch)",
    method="give criterion='magnitude' or another one",
    global_pruning="give scope='global'",
    epochs="the last epoch of pruning_schedule says how long to train",
)
def prune(
    model: keras.Model,
    amount: float | int | None = None,
    *,
    threshold: float | None = None,
    pruning_schedule: Sequence[tuple[float, float]] | StepSchedule | None = None,
    criterion: Any = "magnitude",
    granularity: Any = "weight",
    scope: Any = "layer",
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float] | None = None,
    data: Any = None,
    samples: int = 512,
    refit: Any = None,
    seed: int = 0,
    verbose: int = 1,
) -> Pruned:
    """Set the weights that matter least to zero, in place; without training, unless a schedule comes with data.

    With a `pruning_schedule` and labelled data, a compiled model is trained by `fit` with a `PruneCallback`. Epochs
    count from 0, and the last stage is trained too: `[(0.5, 1), (0.75, 2), (0.9, 3)]` takes four epochs. Without labels
    there is no training: the model is pruned to one sparsity after the other, each time by what matters least of what
    is left, and with `refit` refitted in between; epochs then only say in which order.

    Args:
        model: A built model. Unless it is trained, its other state (optimizer, compilation) is not touched.
        amount: Fraction of zeros in the pruned kernels, a float in [0, 1), or an int: exactly so many weights (or
            channels, or residual blocks) go, of one layer, or of several together with `scope="global"`. A pattern such
            as `"2:4"` needs none.
        threshold: Instead of `amount`: remove what scores below it (with magnitude, `|w| < threshold`).
        pruning_schedule: Instead of both: pairs (sparsity, epoch), such as `[(0.5, 1), (0.75, 2), (0.9, 3)]`.
        criterion: What makes a weight matter; see `tfprune.criteria`.
        granularity: What goes as one: `"weight"`, a block such as `(1, 4)`, a pattern such as `"2:4"`; of a model also
            a whole `"filter"`, `"head"` or residual `"layer"`, which `tfprune.shrink` can then take out.
        scope: `"layer"` or `"global"`.
        layers: Layers to prune instead of the default choice, which leaves out the first, the last and depthwise ones.
        skip: Layers to leave alone.
        per_layer: Sparsities of their own for some layers; without an amount only these are pruned.
        data: Anything `fit` takes, for criteria that look at data, and, with labels, to train on by a schedule.
        samples: How many samples of it a criterion looks at, at most.
        refit: Samples of what the model is used on, without labels: anything `fit` takes. The weights that are left
            then make up for those that are gone, layer by layer in closed form; see `tfprune.refit`.
        seed: Seed of criteria that draw random numbers.
        verbose: 1 shows the training if there is one, 0 nothing.

    Returns:
        What was pruned, how much, and what was skipped why.

    Raises:
        InputError: If the arguments are not allowed or nothing can be pruned; the model is as before.
        SparsityError: If a kernel has weights that are not finite; the model is as before.

    Example:
        >>> layers = [keras.layers.Dense(width) for width in (16, 16, 2)]
        >>> model = keras.Sequential([keras.Input((8,)), *layers])
        >>> prune(model, 0.75).sparsity
        0.75
        >>> model.compile("adam", "mse")
        >>> x, y = keras.random.normal((64, 8)), keras.random.normal((64, 2))
        >>> prune(model, pruning_schedule=[(0.8, 1), (0.9375, 2)], data=(x, y), verbose=0).sparsity
        0.9375
    """
    pattern = granularities.get(granularity)
    rule = Rule(criteria.get(criterion), pattern, scopes.get(scope), seed)
    schedule = None
    if pruning_schedule is not None:
        schedule = check_schedule(pruning_schedule, amount, threshold)
        make_schedule(schedule, None, pattern)  # refuses what is above what the pattern allows
        if is_labelled(data):
            callback = PruneCallback(
                schedule=schedule,
                criterion=rule.criterion,
                granularity=pattern,
                scope=rule.scope,
                layers=layers,
                skip=skip,
                per_layer=per_layer,
                data=data,
                samples=samples,
                refit=refit,
                seed=seed,
                verbose=verbose,
            )
            return train(model, callback, schedule, data, verbose)
    return prune_once(
        model,
        rule,
        amount,
        threshold=threshold,
        stages=() if schedule is None else rising(schedule),
        whole=isinstance(model, keras.Model),
        layers=layers,
        skip=skip,
        per_layer=per_layer,
        data=data,
        samples=samples,
        refit=refit,
    )


def check_schedule(pruning_schedule: Any, amount: Any, threshold: Any) -> StepSchedule:
    """Return pairs (sparsity, epoch) as a schedule, refusing what is none or goes with another amount."""
    if amount is not None or threshold is not None:
        raise InputError("pruning_schedule says how sparse the model gets; leave amount and threshold out.")
    schedule = schedules.get(pruning_schedule)
    if not isinstance(schedule, StepSchedule):
        raise InputError(
            f"pruning_schedule is {pruning_schedule!r}; give pairs (sparsity, epoch), as [(0.5, 1), (0.8, 2)]. Other "
            "schedules are for model.fit(…, callbacks=[tfprune.PruneCallback(schedule=…)])."
        )
    return schedule


def rising(schedule: StepSchedule) -> list[float]:
    """Return the sparsities of a schedule, refusing ones that fall: what is zero stays zero without training."""
    stages = [sparsity for sparsity, _ in schedule.milestones]
    if stages != sorted(stages):
        raise InputError(f"The sparsities are {stages}; give them in rising order, as nothing grows without training.")
    return stages


def is_labelled(data: Any) -> bool:
    """Whether there are labels to train on.

    Raises:
        InputError: If the data can be read only once.
    """
    if data is None:
        return False
    if hasattr(data, "__next__"):
        raise InputError("data can be read only once; give arrays, a tf.data.Dataset or a keras.utils.PyDataset.")
    parts = unpack(data, 1)
    return parts is not None and parts[1] is not None


def train(model: keras.Model, callback: PruneCallback, schedule: StepSchedule, data: Any, verbose: int) -> Pruned:
    """Train a model until each stage of a schedule has been trained, and return what came of it."""
    if not getattr(model, "compiled", False):
        raise InputError(
            f"A pruning_schedule with labelled data trains the model; compile {getattr(model, 'name', model)!r} first, "
            "or leave the labels out to prune it in stages without training."
        )
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data) if isinstance(data, tuple) else (data, None, None)
    epochs = math.floor(schedule.milestones[-1][1]) + 1
    shuffle = not is_dataset(data)  # it does so itself, and Keras warns if it is asked to
    shown = "auto" if verbose else 0
    model.fit(x, y, sample_weight=weight, epochs=epochs, callbacks=[callback], shuffle=shuffle, verbose=shown)
    if callback.pruner is None:
        raise RuntimeError("fit has not begun the callback")
    return measured(callback.pruner.source, callback.pruner.refitted)
