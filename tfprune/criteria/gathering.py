"""From scores of weights to scores of channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError, nearest

__all__ = ["NORMALISATIONS", "Gathering", "normalise"]

Array = NDArray[Any]

REDUCTIONS: dict[str, Callable[..., Any]] = {"mean": np.mean, "sum": np.sum, "max": np.max}
NORMALISATIONS = ("mean", "max", "sum", "rank", "none")


def normalise(scores: Array, by: str) -> Array:
    """Return scores that compare with others.

    Args:
        scores: Float, any shape.
        by: `"mean"`, `"max"` or `"sum"` divides by that of their sizes; `"rank"` puts the place of each in rising
            order, from 0 to 1; `"none"` leaves them.

    Example:
        >>> normalise(np.array([1.0, 3.0, 8.0]), "mean").tolist(), normalise(np.array([1.0, 3.0, 8.0]), "rank").tolist()
        ([0.25, 0.75, 2.0], [0.0, 0.5, 1.0])
    """
    if by == "none":
        return scores
    if by == "rank":
        flat = scores.reshape(-1)
        places = np.empty(flat.size)
        places[np.argsort(flat, kind="stable")] = np.arange(flat.size) / max(flat.size - 1, 1)
        return places.reshape(scores.shape)
    size = float(REDUCTIONS[by](np.abs(scores)))
    return scores / size if size > 0 else scores


@dataclass(frozen=True)
class Gathering:
    """How the scores of a channel's weights become one.

    By default each kernel that makes or reads the channels counts alike, whatever its size: the mean score of the
    weights in a channel's slice, divided by that of all channels; the score is the mean over the kernels (as DepGraph
    gathers coupled parameters; Fang et al., "DepGraph: Towards Any Structural Pruning", 2023). So scores compare across
    groups.

    Args:
        within: `"mean"`, `"sum"` or `"max"` over the weights of a kernel that go with a channel.
        across: `"mean"`, `"sum"`, `"max"` over the kernels; `"first"` takes the one that makes the channels first.
        normalise: What each kernel's scores are divided by before; see `normalise`.

    Example:
        >>> scores = np.array([[1.0, 3.0], [0.0, 12.0]])  # of two channels with two weights each
        >>> Gathering().of_kernel(scores).tolist(), Gathering("max", normalise="none").of_kernel(scores).tolist()
        ([0.5, 1.5], [3.0, 12.0])
    """

    within: str = "mean"
    across: str = "mean"
    normalise: str = "mean"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("within", REDUCTIONS), ("across", [*REDUCTIONS, "first"]), ("normalise", NORMALISATIONS)
        ):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}. {nearest(getattr(self, name), allowed)}")

    def of_kernel(self, scores: Array) -> Array:
        """Return the scores of channels, (channels,), from those of their weights in one kernel, (channels, …)."""
        found = REDUCTIONS[self.within](scores.reshape(len(scores), -1), axis=1)
        return normalise(found, self.normalise)

    def of_all(self, kernels: Sequence[Array]) -> Array:
        """Return the scores of channels from those of each kernel.

        Example:
            >>> Gathering(across="max").of_all([np.array([1.0, 2.0]), np.array([0.0, 3.0])]).tolist()
            [1.0, 3.0]
        """
        if self.across == "first":
            return kernels[0]
        found: Array = REDUCTIONS[self.across](np.array(kernels), axis=0)
        return found
