"""Whole channels: filters and neurons, or attention heads, with everything that goes with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tfprune.errors import InputError
from tfprune.granularity.base import BoolArray, FloatArray, Granularity, KernelAxes, Units, granularities
from tfprune.numbers import is_integer

__all__ = ["Filter", "Head"]


@granularities.register("filter")
@dataclass(frozen=True)
class Filter(Granularity):
    """Whole filters of convolutions, neurons of Dense layers and units of recurrent ones.

    In a model, all that goes with a channel goes at once: the filter, its bias and normalisation, and the inputs of
    whatever reads it, across residual connections and concatenations. `tfprune.shrink` then takes it out. Channels that
    feed a normalisation over channels (layer normalisation) are left alone, as that changes when some are taken out.

    Sparsity is the fraction of channels that go. Until the schedule has ended, the filters with the lowest scores are
    set to zero at each update, and may grow again (He et al., "Soft Filter Pruning", 2018); then they stay zero.

    Args:
        soft: Whether removed filters may grow again until the schedule has ended.
        round_to: Kept channels are a multiple of this, or all that there are; 8 suits most processors, 16 int8. By
            default 1, and with a budget of latency what measurements show to be fast here.
        min_channels: No layer keeps fewer.

    Example:
        >>> Filter(round_to=8).units(np.ones((3, 3, 16, 32)), KernelAxes((2,), (3,))).scores.shape
        (32,)
    """

    soft: bool = True
    round_to: int | None = None
    min_channels: int = 1

    kinds: ClassVar[tuple[str, ...]] = ("filter", "unit")

    def __post_init__(self) -> None:
        for name in ("round_to", "min_channels"):
            value = getattr(self, name)
            if (value is not None or name != "round_to") and (not is_integer(value) or value < 1):
                raise InputError(f"{name} is {value!r}; give an int from 1.")

    @property
    def default_sparsity(self) -> float:
        """Half of the channels, which is about a quarter of the multiply-accumulates."""
        return 0.5

    @property
    def needs_inputs(self) -> bool:
        """False: every kernel has outputs."""
        return False

    def units(self, scores: FloatArray, axes: KernelAxes) -> Units:
        """Return one unit an output channel of a single kernel; its score is the mean over its weights."""
        matrix = axes.to_matrix(scores)
        outputs = matrix.shape[1]

        def mask(kept: BoolArray) -> BoolArray:
            return axes.from_matrix(np.broadcast_to(kept[None, :, None], matrix.shape), scores.shape)

        return Units(matrix.mean(axis=(0, 2)), matrix.size // outputs, mask)


@granularities.register("head")
@dataclass(frozen=True)
class Head(Filter):
    """Whole heads of attention layers: their slices of the query, key, value and output projections.

    Example:
        >>> x = keras.Input((6, 8))
        >>> model = keras.Model(x, keras.layers.MultiHeadAttention(4, 2, name="attention")(x, x))
        >>> graph = tfprune.graph.trace(model)
        >>> [(group.name, group.size) for group in graph.prunable if group.kind in Head().kinds]
        [('attention', 4)]
    """

    kinds: ClassVar[tuple[str, ...]] = ("head",)
