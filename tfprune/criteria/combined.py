"""Criteria made of others: gathered in another way, or several together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfprune.criteria.base import Array, Criterion, criteria
from tfprune.criteria.gathering import NORMALISATIONS, Gathering, normalise
from tfprune.errors import InputError, nearest
from tfprune.numbers import is_real

__all__ = ["Ensemble", "Gathered"]


@criteria.register("gathered")
@dataclass(frozen=True)
class Gathered(Criterion):
    """A criterion of weights, gathered for channels as you say.

    Args:
        criterion: A criterion of weights.
        within: `"mean"`, `"sum"` or `"max"` over the weights of a kernel that go with a channel.
        across: `"mean"`, `"sum"` or `"max"` over the kernels; `"first"` takes the one that makes the channels.
        normalise: `"mean"`, `"max"` or `"sum"` divides each kernel's scores by that, `"rank"` takes their places,
            `"none"` leaves them as they are.

    Example:
        >>> criterion = Gathered("l1", within="sum", across="first", normalise="none")
        >>> criterion.judge({"weights": np.array([-2.0, 0.5])}).tolist()
        [2.0, 0.5]
    """

    criterion: Any = "magnitude"
    within: str = "mean"
    across: str = "mean"
    normalise: str = "mean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "criterion", criteria.get(self.criterion))
        if not self.criterion.for_weights:
            raise InputError(f"{self.criterion} scores no single weights, so there is nothing to gather.")
        _ = self.gathering  # refuses what is not allowed

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, ready for JSON."""
        return {**super().get_config(), "criterion": criteria.serialize(self.criterion)}

    @property
    def gathering(self) -> Gathering:
        """How the scores of weights become those of channels."""
        return Gathering(self.within, self.across, self.normalise)

    def asks(self, *, channels: bool = False) -> tuple[str, ...]:
        """Return what the criterion asks for."""
        return tuple(self.criterion.asks())

    def score(self, weights: Array, **given: Any) -> Array:
        """Return the criterion's scores."""
        found: Array = self.criterion.judge({"weights": weights, **given})
        return found


@criteria.register("ensemble")
@dataclass(frozen=True)
class Ensemble(Criterion):
    """The weighted sum of several criteria's scores, each made comparable first.

    Args:
        members: Criteria, or pairs of a criterion and its weight.
        normalise: What makes the scores of a kernel, or of a channel group, comparable: `"mean"`, `"max"`, `"sum"`,
            `"rank"`, or `"none"`.

    Example:
        >>> both = Ensemble([("magnitude", 1.0), ("l2", 3.0)], normalise="max")
        >>> both.judge({"weights": np.array([1.0, -2.0])}).tolist()
        [1.25, 4.0]
    """

    members: Sequence[Any] = ("magnitude",)
    normalise: str = "mean"

    def __post_init__(self) -> None:
        pairs = []
        for member in self.members:
            paired = isinstance(member, list | tuple) and len(member) == 2
            criterion, weight = member if paired else (member, 1.0)
            if not is_real(weight):
                raise InputError(f"{weight!r} is given as the weight of {criterion!r}; give a number.")
            pairs.append((criteria.get(criterion), float(weight)))
        if not pairs:
            raise InputError(
                "An ensemble without members scores nothing; give criteria such as ['magnitude', 'taylor']."
            )
        if self.normalise not in NORMALISATIONS:
            raise InputError(f"normalise is {self.normalise!r}. {nearest(self.normalise, NORMALISATIONS)}")
        object.__setattr__(self, "members", tuple(pairs))

    def get_config(self) -> dict[str, Any]:
        """Return the members with their weights."""
        return {"members": [[criteria.serialize(c), weight] for c, weight in self.members], "normalise": self.normalise}

    @property
    def for_weights(self) -> bool:
        """Whether all of them score single weights."""
        return all(criterion.for_weights for criterion, _ in self.members)

    def asks(self, *, channels: bool = False) -> tuple[str, ...]:
        """Return what any of them asks for."""
        return tuple(dict.fromkeys(name for c, _ in self.members for name in c.asks(channels=channels)))

    def judge(self, given: Mapping[str, Any], *, channels: bool = False) -> Array:
        """Return the weighted sum of the members' scores."""
        return self.combine([criterion.judge(given) for criterion, _ in self.members])

    def combine(self, scores: Sequence[Array]) -> Array:
        """Return the weighted sum of scores of all members."""
        weights = [weight for _, weight in self.members]
        return sum(
            (weight * normalise(own, self.normalise) for weight, own in zip(weights, scores, strict=True)),
            start=scores[0] * 0.0,
        )
