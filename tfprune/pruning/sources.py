"""From a granularity to what is masked: kernels, channels or residual blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.granularity import Depth, Filter
from tfprune.pruning.channels.masks import ChannelMasks
from tfprune.pruning.depth import BlockMasks
from tfprune.pruning.masks import Rule
from tfprune.pruning.selection import LayerChoice, select
from tfprune.pruning.source import KernelMasks, MaskSource

__all__ = ["make_source"]


def make_source(
    model: keras.Layer,
    rule: Rule,
    *,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float] | None = None,
    budget: Budget | None = None,
) -> MaskSource:
    """Return what is masked as one in a model.

    Args:
        model: A built model; single weights may also be those of a layer.
        rule: Criterion, granularity, scope and seed.
        layers: Only these.
        skip: None of these.
        per_layer: Sparsities of their own for some layers.
        budget: What the network may cost in the end, for channels.

    Raises:
        InputError: If nothing can be pruned, or the granularity does not know what to make of an argument.
    """
    granularity = rule.granularity
    if isinstance(granularity, Filter):
        return ChannelMasks(model, rule, layers, skip, per_layer, budget)
    if budget is not None:
        raise InputError(f"{budget} is for whole channels, and {granularity} removes none; give a sparsity.")
    if isinstance(granularity, Depth):
        if per_layer:
            raise InputError("per_layer is for kernels and channels; residual blocks go whole. Give layers= or skip=.")
        return BlockMasks(model, rule, layers, skip)
    selection = select(model, layers=layers, skip=skip, per_layer=per_layer, granularity=granularity)
    return KernelMasks(rule, selection)
