"""Pruning in one shot, without training: of a model or of a single layer, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from tfprune import criteria
from tfprune import granularity as granularities
from tfprune import scope as scopes
from tfprune.errors import InputError
from tfprune.granularity import Depth, Filter
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.mask import read
from tfprune.pruning.masks import Rule, check_finite, kernel_scores
from tfprune.pruning.repair import Repair
from tfprune.pruning.selection import Selection, Skipped, select
from tfprune.pruning.source import MaskSource
from tfprune.pruning.sources import make_source, make_study
from tfprune.refit import Repaired
from tfprune.schedules import check_sparsity
from tfprune.statistics import Study

__all__ = ["Pruned", "PrunedKernel", "prune", "prune_layer", "random_prune"]


@dataclass(frozen=True)
class PrunedKernel:
    """A kernel after pruning: its path, shape and number of zeros."""

    path: str
    shape: tuple[int, ...]
    zeros: int

    @property
    def size(self) -> int:
        """Number of weights."""
        return int(np.prod(self.shape))

    @property
    def sparsity(self) -> float:
        """Fraction of zeros."""
        return self.zeros / self.size


@dataclass(frozen=True)
class Pruned:
    """What a pruning in one shot has done.

    Args:
        kernels: The kernels that were pruned.
        skipped: The weights that were not, with the reason.
        refit: What the refit did; None without one.
    """

    kernels: tuple[PrunedKernel, ...]
    skipped: tuple[Skipped, ...]
    refit: Repaired | None = None

    @property
    def sparsity(self) -> float:
        """Fraction of zeros in the pruned kernels, counted."""
        return sum(kernel.zeros for kernel in self.kernels) / sum(kernel.size for kernel in self.kernels)

    def __str__(self) -> str:
        lines = [f"{kernel.path} {kernel.shape}: {kernel.sparsity:.1%} zeros" for kernel in self.kernels]
        lines += [f"{entry.path}: skipped, {entry.reason}" for entry in self.skipped if entry.reason != "bias"]
        lines += [] if self.refit is None else [str(self.refit)]
        return "\n".join([*lines, f"{self.sparsity:.2%} of {sum(k.size for k in self.kernels):,} weights are zero"])


def prune(
    model: keras.Model,
    amount: float | None = None,
    *,
    threshold: float | None = None,
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
) -> Pruned:
    """Set the weights that matter least to zero, in place and without training.

    Args:
        model: A built model. Its other state (optimizer, compilation) is not touched.
        amount: Fraction of zeros in the pruned kernels, in [0, 1).
        threshold: Instead of `amount`: remove what scores below it (with magnitude, `|w| < threshold`).
        criterion: What makes a weight matter; see `tfprune.criteria`.
        granularity: What goes as one: `"weight"`, a block such as `(1, 4)`, a pattern such as `"2:4"`; of a model also
            a whole `"filter"`, `"head"` or residual `"layer"`, which `tfprune.shrink` can then take out.
        scope: `"layer"` or `"global"`.
        layers: Layers to prune instead of the default choice, which leaves out the first, the last and depthwise ones.
        skip: Layers to leave alone.
        per_layer: Sparsities of their own for some layers.
        data: Anything `fit` takes, for criteria that look at data.
        samples: How many samples of it are used at most.
        refit: Samples of what the model is used on, without labels: anything `fit` takes. The weights that are left
            then make up for those that are gone, layer by layer in closed form; see `tfprune.refit`.
        seed: Seed of criteria that draw random numbers.

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
    """
    pattern = granularities.get(granularity)
    rule = Rule(criteria.get(criterion), pattern, scopes.get(scope), seed)
    check_amount(amount, threshold, pattern.max_sparsity)
    channels = isinstance(pattern, Filter | Depth) and isinstance(model, keras.Model)
    if channels and amount is None:
        raise InputError("A threshold is for weights; give the amount of channels or residual blocks to remove.")
    repair = None if refit is None else Repair(model, refit)
    if channels and amount is not None:
        source = make_source(model, rule, layers=layers, skip=skip, per_layer=per_layer, data=data, samples=samples)
        done = apply_source(source, amount)
    else:
        selection = select(model, layers=layers, skip=skip, per_layer=per_layer, granularity=pattern)
        done = apply_once(rule, selection, amount, threshold, make_study(model, rule, data, samples))
    return done if repair is None else replace(done, refit=repair.run())


def prune_layer(
    layer: keras.Layer,
    amount: float | None = None,
    *,
    threshold: float | None = None,
    criterion: Any = "magnitude",
    granularity: Any = "weight",
    scope: Any = "layer",
    seed: int = 0,
) -> Pruned:
    """Set the weights of one layer that matter least to zero, in place; of all in it if it is made of several.

    Args:
        layer: A built layer.
        amount: Fraction of zeros in its kernels, in [0, 1).
        threshold: Instead of `amount`: remove what scores below it.
        criterion: What makes a weight matter.
        granularity: What goes as one.
        scope: `"layer"` or `"global"`, for a layer with several kernels.
        seed: Seed of criteria that draw random numbers.

    Returns:
        What was pruned, and how much.

    Raises:
        InputError: If the arguments are not allowed or the layer has no kernel.
        SparsityError: If weights are not finite.

    Example:
        >>> layer = keras.layers.Dense(4)
        >>> layer.build((None, 8))
        >>> prune_layer(layer, 0.5).sparsity
        0.5
    """
    return prune(
        layer,
        amount,
        threshold=threshold,
        criterion=criterion,
        granularity=granularity,
        scope=scope,
        layers=[layer],
        seed=seed,
    )


def random_prune(model: keras.Model, amount: float, *, seed: int = 0, **choices: Any) -> Pruned:
    """Set random weights to zero, in place: the baseline that a criterion has to beat.

    Args:
        model: A built model.
        amount: Fraction of zeros in the pruned kernels, in [0, 1).
        seed: Seed; the same one gives the same zeros.
        **choices: `granularity`, `scope`, `layers`, `skip`, `per_layer`, as for `prune`.

    Returns:
        What was pruned, and how much.

    Example:
        >>> layer = keras.layers.Dense(4)
        >>> layer.build((None, 8))
        >>> random_prune(layer, 0.25).sparsity
        0.25
    """
    return prune(model, amount, criterion="random", seed=seed, **choices)


def check_amount(amount: float | None, threshold: float | None, most: float) -> None:
    """Raise InputError unless one of `amount` and `threshold` is given and allowed."""
    if (amount is None) == (threshold is None):
        raise InputError("Give one of amount (a fraction in [0, 1)) and threshold (a score), not both or neither.")
    if amount is not None and check_sparsity(amount, "amount") > most:
        raise InputError(f"amount is {amount}, above the {most:g} that this granularity allows; give {most:g} or less.")
    if threshold is not None and not (np.isfinite(threshold) and threshold >= 0):
        raise InputError(f"threshold is {threshold!r}; give a finite number from 0.")


def apply_once(rule: Rule, selection: Selection, amount: float | None, threshold: float | None, study: Study) -> Pruned:
    """Prune the selected kernels; all masks are made before the first weight is changed."""
    targets = selection.targets
    weights = [read(target.variable) for target in targets]
    for target, values in zip(targets, weights, strict=True):
        check_finite(target.path, values)
    if threshold is None:
        masks = rule.masks(targets, weights, amount or 0.0, study=study)
    else:
        masks = []
        found = kernel_scores(rule.criterion, targets, weights, rule.seed, study)
        for target, scores in zip(targets, found, strict=True):
            units = rule.granularity.units(scores, target.axes)
            masks.append(units.mask(units.scores >= threshold))
            if not masks[-1].any():
                raise InputError(
                    f"threshold {threshold:g} is above every score in {target.path} (at most {units.scores.max():g}); "
                    "give a lower one, or skip this layer."
                )
    kernels = []
    for target, values, mask in zip(targets, weights, masks, strict=True):
        pruned = np.where(mask, values, 0)
        target.variable.assign(pruned)
        kernels.append(
            PrunedKernel(target.path, tuple(target.variable.shape), int(pruned.size - np.count_nonzero(pruned)))
        )
    return Pruned(tuple(kernels), selection.skipped)


def apply_source(source: MaskSource, amount: float) -> Pruned:
    """Set whole channels or residual blocks to zero."""
    new = source.masks(amount, 1.0, last=True)
    for target, mask in zip(source.targets, new.masks, strict=True):
        target.variable.assign(np.where(mask, read(target.variable), 0))
    kernels = [PrunedKernel(path, (size,), zeros) for path, (zeros, size) in source.measure_each().items()]
    return Pruned(tuple(kernels), source.skipped)
