"""How near a smaller network's outputs are to those of the whole one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from keras import tree

from tfprune.graph import Graph
from tfprune.refit.forms import Array
from tfprune.refit.network import Network, batch_for
from tfprune.shown import Shown

__all__ = ["Likeness", "clearly_worse", "likeness", "outputs_of"]

NOTHING = 1e-6
"""Outputs that differ by this part of their variance are the same."""

ENOUGH = 64
"""From so many samples on the standard error of a difference is one to go by."""


@dataclass(frozen=True)
class Likeness(Shown):
    """How alike the outputs of two networks are.

    Args:
        error: Squared difference of the outputs, relative to the variance of the first's; the largest of several
            outputs.
        agreement: The part of samples for which the highest output is the same, in [0, 1]; None if no output is a
            vector of classes.
    """

    error: float
    agreement: float | None

    def __str__(self) -> str:
        same = "" if self.agreement is None else f", the same top class for {self.agreement:.1%}"
        return f"outputs differ by {self.error:.2%} of their variance{same}"


def outputs_of(graph: Graph, network: Network, samples: Sequence[Array]) -> list[Array]:
    """Return a network's outputs on samples."""
    batch = tree.flatten(graph.trace.inputs)[0].shape[0] or batch_for(graph)
    inputs = [tensor.index for tensor in tree.flatten(graph.trace.inputs)]
    wanted = [tensor.index for tensor in tree.flatten(graph.trace.outputs)]
    parts = [
        network.values(wanted, {i: array[start : start + batch] for i, array in zip(inputs, samples, strict=True)})
        for start in range(0, len(samples[0]), batch)
    ]
    return [np.concatenate(values).astype(np.float64) for values in zip(*parts, strict=True)]


def likeness(left: Sequence[Array], right: Sequence[Array]) -> Likeness:
    """Return how alike outputs are.

    Example:
        >>> a = np.array([[0.0, 2.0], [2.0, 0.0]])
        >>> print(likeness([a], [a + [[0.1, 0.0], [0.0, 0.0]]]))
        outputs differ by 0.25% of their variance, the same top class for 100.0%
    """
    errors, agreements = [], []
    for a, b in zip(left, right, strict=True):
        spread = float(np.square(a - a.mean(axis=0)).sum())
        error = float(np.square(a - b).sum())
        errors.append(error / spread if spread > 0 else (0.0 if error == 0 else np.inf))
        if a.ndim == 2 and a.shape[1] > 1:
            agreements.append(float((a.argmax(axis=1) == b.argmax(axis=1)).mean()))
    return Likeness(max(errors), min(agreements) if agreements else None)


def clearly_worse(wanted: Sequence[Array], old: Sequence[Array], new: Sequence[Array]) -> bool:
    """Say whether new outputs are further from the wanted ones than old ones, by more than the samples' chance.

    A few samples carry most of an error, and which ones they are differs between two networks. So the difference is
    taken sample by sample, and has to be above its standard error. Of few samples nobody knows that, and a refit on few
    is often a bad one: then no difference is chance.

    Args:
        wanted: Float (samples, …), an array for each output.
        old: Likewise.
        new: Likewise; what is not finite is worse.

    Example:
        >>> wanted, old = np.zeros((128, 1)), np.ones((128, 1))
        >>> worse, by_chance = old + 1, old * ([[0.0]] * 127 + [[12.0]])
        >>> clearly_worse([wanted], [old], [worse]), clearly_worse([wanted], [old], [by_chance])
        (True, False)
    """
    for a, b, c in zip(wanted, old, new, strict=True):
        axes = tuple(range(1, a.ndim))
        more = (np.square(a - c) - np.square(a - b)).sum(axis=axes)
        spread = float(np.square(a - a.mean(axis=0)).sum())
        chance = float(more.std(ddof=1)) / len(more) ** 0.5 if len(more) >= ENOUGH else 0.0
        if not float(more.mean()) <= max(chance, NOTHING * spread / len(more)):
            return True
    return False
