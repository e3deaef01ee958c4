"""Where masks come from: what is pruned as one, single weights of kernels or whole channels of a network."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfprune.pruning.mask import Values, read
from tfprune.pruning.masks import Rule, check_finite
from tfprune.pruning.selection import Selection, Skipped, Target
from tfprune.statistics import Study

__all__ = ["KernelMasks", "MaskSource", "NewMasks"]


@dataclass(frozen=True)
class NewMasks:
    """Masks for all targets.

    Args:
        masks: Which weights of each target are kept, bool.
        sparsity: Fraction of what is pruned that they remove.
        hold: Whether removed weights have to stay zero until the next masks; else they are set to zero once.
    """

    masks: Sequence[NDArray[np.bool_]]
    sparsity: float
    hold: bool = True


class MaskSource(abc.ABC):
    """What is pruned as one.

    Attributes:
        targets: The variables that are masked.
        skipped: What is not, with the reason.
        rule: Criterion, granularity, scope and seed.
        soft: Whether removed weights may grow again until the schedule has ended.
        study: What data say of the weights, for criteria that ask for it.
    """

    soft = False
    targets: tuple[Target, ...]
    skipped: tuple[Skipped, ...]
    rule: Rule
    study: Study | None = None

    @abc.abstractmethod
    def masks(self, sparsity: float, progress: float, *, last: bool) -> NewMasks:
        """Return masks that follow from the weights as they are now.

        Args:
            sparsity: Sparsity of what has none of its own.
            progress: Fraction of its own sparsity that everything else has reached.
            last: Whether the schedule has ended.

        Raises:
            SparsityError: If a weight is not finite.
        """

    @abc.abstractmethod
    def measure_each(self) -> dict[str, tuple[int, int]]:
        """Return how much of each thing is zero now, and of how much, by path."""

    @abc.abstractmethod
    def describe(self) -> tuple[str, list[str]]:
        """Return what is pruned: how much in words, and the names."""

    def measure(self) -> float:
        """Return the fraction that is zero now."""
        counts = self.measure_each().values()
        return sum(zeros for zeros, _ in counts) / sum(size for _, size in counts)


class KernelMasks(MaskSource):
    """Weights, blocks or patterns within kernels.

    Args:
        rule: Criterion, granularity, scope and seed.
        selection: The kernels that are pruned, and what is not.
        study: What data say of the weights.
    """

    def __init__(self, rule: Rule, selection: Selection, study: Study | None = None) -> None:
        self.rule = rule
        self.study = study
        self.targets = selection.targets
        self.skipped = selection.skipped
        for target in self.targets:
            check_finite(target.path, read(target.variable))

    def masks(self, sparsity: float, progress: float, *, last: bool) -> NewMasks:
        """Return masks for all kernels."""
        if self.study is not None:
            self.study.refresh()
        weights = Values([target.variable for target in self.targets])
        masks = self.rule.masks(self.targets, weights, sparsity, progress, self.study)
        kept = sum(int(np.count_nonzero(mask)) for mask in masks)
        return NewMasks(masks, 1.0 - kept / self._size)

    def measure_each(self) -> dict[str, tuple[int, int]]:
        """Return the zeros and the weights of each kernel."""
        return {t.path: (t.size - int(np.count_nonzero(read(t.variable))), t.size) for t in self.targets}

    def describe(self) -> tuple[str, list[str]]:
        """Return how many kernels and weights, and the kernels' paths."""
        total = self._size + sum(entry.size for entry in self.skipped)
        what = f"{len(self.targets)} kernels with {self._size:,} of {total:,} weights"
        return what, [target.path for target in self.targets]

    @property
    def _size(self) -> int:
        return sum(target.size for target in self.targets)
