"""What a criterion is: a pure rule from what is known of weights or channels to scores."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.criteria.gathering import Gathering
from tfprune.errors import InputError
from tfprune.registry import Configurable, Registry

__all__ = ["Array", "Criterion", "criteria"]

Array = NDArray[Any]


class Criterion(Configurable):
    """A rule that says how much weights or channels matter; the lowest scores are removed first.

    To add one, extend this class as a frozen dataclass and register it. What a criterion needs it takes as arguments,
    by name; what is not there, as gradients without data, is refused before anything is changed.

    `score` gets arrays of the shape of a kernel, and scores its weights. For whole channels, `score_channels` gets
    arrays (channels, …) of all that goes with each channel of a group, and returns (channels,); without one, the scores
    of the weights are gathered, see `tfprune.criteria.Gathered`. A criterion has one of the two, or both.

    Any of these can be asked for (`tfprune.statistics` says what they are):

    - `weights`, and `rng`, random numbers that are the same for the same kernel and seed;
    - with labelled data: `gradient`, `squared_gradient`, `hessian_diagonal`, `hessian_gradient`, `gauss_newton`,
      `inverse_fisher`, `loss_increase`; while training, without data: `movement`;
    - with data, labels are not used: `jacobian`, `input_norm`, `inverse_moments`;
    - of the network alone: `synaptic_flow`;
    - for channels also `filters` (weights that make them), `scale` (of batch normalisations), and, with data,
      `activation_mean`, `activation_share`, `activation_gradient` (with labels).

    Example:
        A criterion of your own:

        >>> from dataclasses import dataclass
        >>> from tfprune.criteria import Criterion, criteria
        >>> @criteria.register("relative_magnitude")
        ... @dataclass(frozen=True)
        ... class RelativeMagnitude(Criterion):
        ...     "Magnitude over the largest one that makes the same output, so that each output keeps some."
        ...     def score(self, weights):
        ...         sizes = np.abs(weights)
        ...         return sizes / (sizes.max(axis=tuple(range(sizes.ndim - 1))) + 1e-12)
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 2))
        >>> _ = layer.kernel.assign([[1.0, 10.0], [2.0, 30.0]])
        >>> _ = tfprune.prune_layer(layer, 0.5, criterion="relative_magnitude")
        >>> layer.kernel.numpy().tolist()
        [[0.0, 0.0], [2.0, 30.0]]
    """

    def score(self, *args: Any, **kwargs: Any) -> Array:
        """Return a finite score for each weight of a kernel, of the kernel's shape."""
        raise InputError(f"{self} scores whole channels, no single weights; give granularity='filter', or another one.")

    def score_channels(self, *args: Any, **kwargs: Any) -> Array:
        """Return a finite score for each channel of a group, (channels,)."""
        raise InputError(f"{self} scores single weights; their scores are to be gathered.")

    @property
    def for_weights(self) -> bool:
        """Whether it scores single weights."""
        return type(self).score is not Criterion.score

    @property
    def for_channels(self) -> bool:
        """Whether it scores channels itself; else the scores of their weights are gathered."""
        return type(self).score_channels is not Criterion.score_channels

    @property
    def gathering(self) -> Gathering:
        """How the scores of weights become those of channels."""
        return Gathering()

    def asks(self, *, channels: bool = False) -> tuple[str, ...]:
        """Return the names of what it needs to score weights, or channels."""
        rule = self.score_channels if channels and self.for_channels else self.score
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return tuple(name for name, one in inspect.signature(rule).parameters.items() if one.kind in kinds)

    def judge(self, given: Mapping[str, Any], *, channels: bool = False) -> Array:
        """Return scores from what is known, by name.

        Raises:
            InputError: If a score is not a number, or there is not one for each.
        """
        rule = self.score_channels if channels and self.for_channels else self.score
        scores = np.asarray(rule(**{name: given[name] for name in self.asks(channels=channels)}))
        shape = given["weights"].shape[:1] if channels and self.for_channels else given["weights"].shape
        if scores.shape != shape:
            raise InputError(f"{self} gave scores of shape {scores.shape}; a criterion returns one of {shape}.")
        if scores.size and np.isnan(scores.min()):  # the least of numbers and NaN is NaN
            raise InputError(
                f"{self} gave {np.count_nonzero(np.isnan(scores))} scores of {scores.size} that are not numbers; a "
                "criterion returns a number for each. Look for divisions by zero: weights that are pruned are 0."
            )
        return scores


criteria: Registry[Criterion] = Registry("criterion", Criterion)
