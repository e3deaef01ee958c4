"""The engine of pruning in one call, without training: once, in stages, or below a threshold; in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfprune.errors import InputError
from tfprune.granularity import Depth, Filter
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.amount import as_fraction, check_amount
from tfprune.pruning.mask import Values, read
from tfprune.pruning.masks import Rule
from tfprune.pruning.pruned import Pruned, measured
from tfprune.pruning.repair import Repair
from tfprune.pruning.selection import select
from tfprune.pruning.source import KernelMasks, MaskSource
from tfprune.pruning.sources import make_source, make_study

__all__ = ["prune_once"]


def prune_once(
    model: keras.Layer,
    rule: Rule,
    amount: Any = None,
    *,
    threshold: float | None = None,
    stages: Sequence[float] = (),
    weight: str | None = None,
    whole: bool = False,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float] | None = None,
    data: Any = None,
    samples: int = 512,
    refit: Any = None,
) -> Pruned:
    """Set the weights that matter least to zero; see `tfprune.prune`.

    Args:
        model: A built model or layer.
        rule: Criterion, granularity, scope and seed.
        amount: A fraction, or a number of weights or filters.
        threshold: Instead of `amount`: remove what scores below it.
        stages: Instead of both: sparsities that rise, one after the other.
        weight: Only kernels of that name.
        whole: Whether a filter, head or block goes with all that goes with it, not only in its own kernel.
        layers: Only these layers.
        skip: None of these.
        per_layer: Sparsities of their own for some layers; without an amount only these are pruned.
        data: Anything `fit` takes, for criteria that look at data.
        samples: How many samples of it are used at most.
        refit: Samples without labels, on which what is left makes up for what is gone.

    Raises:
        InputError: If the arguments are not allowed or nothing can be pruned; the model is as before.
        SparsityError: If a kernel has weights that are not finite; the model is as before.
    """
    pattern = rule.granularity
    if amount is None and threshold is None and per_layer and not (stages or layers):
        layers, amount = list(per_layer), 0.0
    wanted = None if stages else check_amount(amount, threshold, pattern)
    source: MaskSource
    if whole and isinstance(pattern, Filter | Depth):
        if threshold is not None:
            raise InputError("A threshold is for weights; give the amount of channels or residual blocks to remove.")
        if weight is not None:
            raise InputError(f"{weight!r} is named, but {pattern} takes weights of all names along; name none.")
        source = make_source(model, rule, layers=layers, skip=skip, per_layer=per_layer, data=data, samples=samples)
    else:
        selection = select(model, layers=layers, skip=skip, per_layer=per_layer, granularity=pattern, weight=weight)
        source = KernelMasks(rule, selection, make_study(model, rule, data, samples))
    for target in source.targets:
        if target.sparsity is not None and target.sparsity > pattern.max_sparsity:
            raise InputError(f"The sparsity {target.sparsity} of {target.path} is above what {pattern} allows.")
    if isinstance(source, KernelMasks) and threshold is not None:
        repair = None if refit is None else Repair(model, refit)
        apply(source, masks_above(source, threshold))
        return measured(source, None if repair is None else repair.run())
    if per_layer and isinstance(wanted, int):
        raise InputError(f"amount is the number {wanted}, and per_layer has fractions; give fractions for all of them.")
    ends = list(stages) or [0.0 if wanted is None else as_fraction(wanted, source, rule)]
    final = ends[-1]
    if len(ends) > 1:
        source.masks(final, 1.0, last=True)  # refuses what can't be met before anything is changed
    repair = None if refit is None else Repair(model, refit)
    refitted = None
    for sparsity in ends:
        progress = sparsity / final if final else 1.0
        apply(source, source.masks(sparsity, progress, last=True).masks)
        refitted = None if repair is None else repair.run()
    return measured(source, refitted)


def apply(source: MaskSource, masks: Sequence[Any]) -> None:
    """Set to zero what the masks do not keep."""
    for target, mask in zip(source.targets, masks, strict=True):
        target.variable.assign(np.where(mask, read(target.variable), 0))


def masks_above(source: KernelMasks, threshold: float) -> list[Any]:
    """Return masks that keep what scores a threshold or more.

    Raises:
        InputError: If nothing of a kernel would be left.
    """
    masks = []
    weights = Values([target.variable for target in source.targets])
    for target, units in zip(source.targets, source.rule.units(source.targets, weights, source.study), strict=True):
        masks.append(units.mask(units.scores >= threshold))
        if not masks[-1].any():
            raise InputError(
                f"threshold {threshold:g} is above every score in {target.path} (at most {units.scores.max():g}); "
                "give a lower one, or skip this layer."
            )
    return masks
