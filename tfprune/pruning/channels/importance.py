"""How much each channel of a group matters: what a criterion says of it, or the scores of its weights, gathered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.criteria import Criterion
from tfprune.criteria.combined import Ensemble
from tfprune.errors import InputError
from tfprune.graph import ChannelGroup, Slice
from tfprune.pruning.mask import read
from tfprune.pruning.masks import check_finite
from tfprune.statistics import CHANNEL_STATISTICS, Study

__all__ = ["channel_scores"]

FloatArray = NDArray[np.floating]


def channel_scores(
    groups: Sequence[ChannelGroup], criterion: Criterion, seed: int = 0, study: Study | None = None
) -> list[FloatArray]:
    """Return a score for each channel of some groups.

    Args:
        groups: Channel groups.
        criterion: Scores channels, or single weights; the scores of these are then gathered, by default so that they
            are 1 on average and compare across groups.
        seed: Seed of the random numbers that the criterion may draw.
        study: What data say of weights and channels; None for criteria that look at weights only.

    Returns:
        Scores of each group, float (channels,).

    Raises:
        SparsityError: If a weight or a statistic is not finite.
    """
    if isinstance(criterion, Ensemble):
        members = [channel_scores(groups, member, seed, study) for member, _ in criterion.members]
        return [criterion.combine(own) for own in zip(*members, strict=True)]
    known = Known(groups, criterion, study)
    score = of_channels if criterion.for_channels else of_weights
    return [score(group, criterion, seed + number, known) for number, group in enumerate(groups)]


class Known:
    """The statistics that a criterion asks for.

    Args:
        groups: Channel groups.
        criterion: The criterion.
        study: Where they come from.
    """

    def __init__(self, groups: Sequence[ChannelGroup], criterion: Criterion, study: Study | None) -> None:
        asked = criterion.asks(channels=True)
        self.groups: dict[str, dict[str, Any]] = {}
        self.weights: dict[str, dict[int, Any]] = {}
        slices = [s for group in groups for s in (learned(group) if criterion.for_channels else kernels_of(group))]
        variables = list({id(s.variable): s.variable for s in slices}.values())
        for name in asked if study is not None else ():
            if name in CHANNEL_STATISTICS and criterion.for_channels:
                found = study.of_channels(name, groups)  # type: ignore[union-attr]
                self.groups[name] = {group.name: own for group, own in zip(groups, found, strict=True)}
            elif name not in ("weights", "rng", "filters", "scale"):
                found = study.of_weights(name, variables)  # type: ignore[union-attr]
                self.weights[name] = {id(variable): own for variable, own in zip(variables, found, strict=True)}


def of_weights(group: ChannelGroup, criterion: Criterion, seed: int, known: Known) -> FloatArray:
    """Return scores of channels from those of their weights."""
    gathered = []
    gathering = criterion.gathering
    for index, entry in enumerate(kernels_of(group)):
        values = read(entry.variable)
        check_finite(entry.path, values)
        given = {name: own[id(entry.variable)] for name, own in known.weights.items()}
        scores = criterion.judge({"weights": values, "rng": np.random.default_rng([seed, index]), **given})
        gathered.append(gathering.of_kernel(matrix(entry, scores)))
    return gathering.of_all(gathered)


def of_channels(group: ChannelGroup, criterion: Criterion, seed: int, known: Known) -> FloatArray:
    """Return what a criterion says of channels."""
    slices = learned(group)
    values = {id(s.variable): read(s.variable) for s in slices}
    for s in slices:
        check_finite(s.path, values[id(s.variable)])
    given: dict[str, Any] = {"weights": joined(slices, values), "rng": np.random.default_rng([seed, 0])}
    asked = criterion.asks(channels=True)
    if "filters" in asked:
        makers = [s for s in slices if s.role == "output"] or kernels_of(group)
        given["filters"] = joined(makers, {id(s.variable): read(s.variable) for s in makers})
    if "scale" in asked:
        scales = [s for s in slices if s.role == "pass" and s.variable.name == "gamma"]
        if not scales:
            raise InputError(
                f"{criterion} looks at the scales of batch normalisations, and the channels of {group.name} go through "
                "none; skip it (skip=…), or take another criterion."
            )
        given["scale"] = joined(scales, values)
    given |= {name: joined(slices, own) for name, own in known.weights.items()}
    given |= {name: own[group.name] for name, own in known.groups.items()}
    return criterion.judge(given, channels=True)


def learned(group: ChannelGroup) -> list[Slice]:
    """Return the slices of weights that training changes."""
    return [s for s in group.slices if s.variable.trainable] or list(group.slices)


def kernels_of(group: ChannelGroup) -> list[Slice]:
    """Return the slices of kernels; of vectors if there are no others."""
    return [s for s in group.slices if s.role != "pass"] or list(group.slices)


def matrix(entry: Slice, values: FloatArray) -> FloatArray:
    """Return what goes with each channel of an array of the shape of a slice's variable, (channels, …)."""
    along = np.moveaxis(values, entry.axis, 0).reshape(values.shape[entry.axis], -1)
    return along[entry.positions].reshape(len(entry.positions), -1)


def joined(slices: Sequence[Slice], values: Mapping[int, FloatArray]) -> FloatArray:
    """Return what goes with each channel of several slices, (channels, …)."""
    return np.concatenate([matrix(s, values[id(s.variable)]) for s in slices], axis=1)
