"""From a granularity to what is masked: kernels, channels or residual blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.granularity import Depth, Filter
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.channels.masks import ChannelMasks
from tfprune.pruning.depth import BlockMasks
from tfprune.pruning.masks import Rule
from tfprune.pruning.selection import select
from tfprune.pruning.source import KernelMasks, MaskSource
from tfprune.scope import Global, Layer
from tfprune.statistics import Study

__all__ = ["make_source", "make_study"]


def make_source(
    model: keras.Layer,
    rule: Rule,
    *,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float] | None = None,
    budget: Budget | None = None,
    data: Any = None,
    samples: int = 512,
    training: bool = False,
) -> MaskSource:
    """Return what is masked as one in a model.

    Args:
        model: A built model; single weights may also be those of a layer.
        rule: Criterion, granularity, scope and seed.
        layers: Only these.
        skip: None of these.
        per_layer: Sparsities of their own for some layers.
        budget: What the network may cost in the end, for channels.
        data: Anything `fit` takes, for criteria that need it.
        samples: How many samples of it are used at most.
        training: Whether the model is trained meanwhile.

    Raises:
        InputError: If nothing can be pruned, or the granularity does not know what to make of an argument.
    """
    granularity = rule.granularity
    study = make_study(model, rule, data, samples, training)
    if isinstance(granularity, Filter):
        return ChannelMasks(model, rule, layers, skip, per_layer, budget, study)
    if budget is not None:
        raise InputError(f"{budget} is for whole channels, and {granularity} removes none; give a sparsity.")
    if isinstance(granularity, Depth):
        if per_layer:
            raise InputError("per_layer is for kernels and channels; residual blocks go whole. Give layers= or skip=.")
        refuse_for_blocks(rule)
        return BlockMasks(model, rule, layers, skip)
    selection = select(model, layers=layers, skip=skip, per_layer=per_layer, granularity=granularity)
    return KernelMasks(rule, selection, study)


def make_study(model: keras.Layer, rule: Rule, data: Any, samples: int, training: bool = False) -> Study:
    """Return what tells a criterion what it asks for.

    Raises:
        InputError: If something can't be had.
    """
    study = Study(model, data, samples=samples, seed=rule.seed)
    study.check(rule.criterion, channels=isinstance(rule.granularity, Filter), training=training)
    return study


def refuse_for_blocks(rule: Rule) -> None:
    """Raise InputError for what tells residual blocks nothing: they are judged by the weights that end a branch."""
    more = [name for name in rule.criterion.asks() if name not in ("weights", "rng")]
    if more:
        raise InputError(
            f"{rule.criterion} asks for {', '.join(more)}; residual blocks are judged by the weights that end their "
            "branch. Give a criterion of weights alone, such as 'magnitude', or granularity='filter'."
        )
    if not isinstance(rule.scope, Layer | Global):
        raise InputError(f"{rule.scope} compares kernels, and residual blocks go whole; give scope='layer'.")
