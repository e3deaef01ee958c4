"""From weights to masks: score, choose, expand. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tfprune.criteria import Criterion
from tfprune.errors import InputError, SparsityError
from tfprune.granularity import Filter, Granularity, Units
from tfprune.pruning.filter_scores import filter_scores
from tfprune.pruning.selection import Target
from tfprune.scope import Scope, keep_best
from tfprune.statistics import Study
from tfprune.statistics.sensitivity import layer_errors

__all__ = ["Rule", "check_finite"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.floating]


def check_finite(path: str, weights: FloatArray) -> None:
    """Raise SparsityError if some weights are NaN or infinite; NaN sorts as largest and would survive every pruning."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(weights.sum()):
            return
    bad = weights.size - int(np.count_nonzero(np.isfinite(weights)))
    if bad:
        raise SparsityError(
            f"{bad} of the {weights.size} weights in {path} are not finite; nothing has been pruned. "
            "Find out why the training diverged (a lower learning rate, clipped gradients), then prune."
        )


@dataclass(frozen=True)
class Rule:
    """How masks follow from weights: which criterion, pattern, scope and seed.

    Args:
        criterion: Scores the weights.
        granularity: What goes as one.
        scope: Among what the lowest scores are looked for.
        seed: Seed of the random numbers that a criterion may draw.
    """

    criterion: Criterion
    granularity: Granularity
    scope: Scope
    seed: int = 0

    def units(
        self, targets: Sequence[Target], weights: Sequence[FloatArray], study: Study | None = None
    ) -> Iterator[Units]:
        """Yield what goes as one in each kernel, with scores.

        Args:
            targets: The kernels.
            weights: Their values; those of a kernel are asked for when it is its turn.
            study: What data say of the weights, for criteria that ask for it.

        Raises:
            SparsityError: If a weight is not finite.
        """
        whole = isinstance(self.granularity, Filter) and not self.criterion.for_weights
        known: dict[str, Sequence[FloatArray]] = {}
        if study is not None and not whole:
            for target, values in zip(targets, weights, strict=True):
                check_finite(target.path, values)  # before data are sent through them
            variables = [target.variable for target in targets]
            asked = [name for name in self.criterion.asks() if name not in ("weights", "rng")]
            known = {name: study.of_weights(name, variables) for name in asked}
        for index, target in enumerate(targets):
            values = weights[index]
            check_finite(target.path, values)
            rng = np.random.default_rng([self.seed, index])
            if whole:
                units = self.granularity.units(values, target.axes)
                units = units.with_scores(filter_scores(self.criterion, target, values, rng))
            else:
                given = {name: found[index] for name, found in known.items()}
                units = self.granularity.units(
                    self.criterion.judge({"weights": values, "rng": rng, **given}), target.axes
                )
            yield replace(units, shape=values.shape)

    def masks(
        self,
        targets: Sequence[Target],
        weights: Sequence[FloatArray],
        sparsity: float,
        progress: float = 1.0,
        study: Study | None = None,
    ) -> list[BoolArray]:
        """Return which weights of each kernel are kept.

        Args:
            targets: The kernels.
            weights: Their values.
            sparsity: Sparsity of the kernels that have none of their own.
            progress: Fraction of their own sparsity that the other kernels have reached.
            study: What data say of the weights, for criteria that ask for it.

        Raises:
            SparsityError: If a weight is not finite.
        """
        wanted = [sparsity if target.sparsity is None else target.sparsity * progress for target in targets]
        each = self.units(targets, weights, study)
        if self.scope.by_kernel:
            return [
                own.mask(keep_best(own, share, target.size))
                for own, share, target in zip(each, wanted, targets, strict=True)
            ]
        units = list(each)
        if self.scope.levels:
            if study is None or study.data is None:
                raise InputError(f"{self.scope} needs data, without labels: give data=, anything fit takes.")
            errors = layer_errors(study, targets, weights, units, self.scope.levels)
            units = [replace(own, errors=one) for own, one in zip(units, errors, strict=True)]
        kept: list[BoolArray] = [np.empty(0, dtype=bool)] * len(targets)
        together = [index for index, target in enumerate(targets) if target.sparsity is None]
        if together:
            sizes = [targets[index].size for index in together]
            chosen = self.scope.keep([units[index] for index in together], sizes, sparsity)
            for index, keep in zip(together, chosen, strict=True):
                kept[index] = keep
        for index, target in enumerate(targets):
            if target.sparsity is not None:
                kept[index] = keep_best(units[index], wanted[index], target.size)
        return [u.mask(k) for u, k in zip(units, kept, strict=True)]
