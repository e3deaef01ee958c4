"""`compare_attributions`: whether a smaller network still looks at the same things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from tfprune.analysis.attribution import integrated_gradients, map_of, occlusion
from tfprune.analysis.faithfulness import deletion_auc, localisation, mask_for, rank_agreement
from tfprune.analysis.grad_cam import grad_cam, has_maps
from tfprune.analysis.rendering import as_text, new_table, number, percent, plain
from tfprune.analysis.samples import class_numbers, single_input
from tfprune.analysis.scores import Scorer, checked_classes, checked_input
from tfprune.arguments import named_arguments
from tfprune.console import track
from tfprune.errors import InputError, nearest
from tfprune.graph import trace
from tfprune.shown import Shown
from tfprune.statistics.examples import Examples

__all__ = ["AttributionChange", "AttributionChanges", "compare_attributions"]

METHODS: dict[str, Callable[..., Any]] = {
    "grad_cam": lambda model, x, classes, _: grad_cam(model, x, classes),
    "integrated_gradients": lambda model, x, classes, fill: integrated_gradients(model, x, classes, baseline=fill),
    "occlusion": lambda model, x, classes, fill: occlusion(model, x, classes, baseline=fill),
}


@dataclass(frozen=True)
class AttributionChange:
    """What one method says of two networks; means over the samples for which they are defined.

    Args:
        method: "grad_cam", "integrated_gradients" or "occlusion".
        agreement: Spearman's correlation of the positions' ranks before and after, in [−1, 1].
        agreements: That of each sample.
        deletion: Area under the score while positions are deleted, before and after; lower is better.
        random_deletion: The same for a random order, before and after.
        localisation: Share of what speaks for the class inside the region, before and after; None without one.
    """

    method: str
    agreement: float
    agreements: tuple[float, ...] = field(repr=False)
    deletion: tuple[float, float]
    random_deletion: tuple[float, float]
    localisation: tuple[float, float] | None


@dataclass(frozen=True)
class AttributionChanges(Shown):
    """What each method says of two networks.

    Args:
        before: Name of the network before.
        after: Name of the network after.
        methods: The methods.
        samples: On how many samples.
        inside: The part of the positions that is in the region, in [0, 1]: the localisation of an attribution that
            knows nothing. None without one.

    Example:
        >>> change = AttributionChange("occlusion", 0.93, (0.95, 0.91), (0.21, 0.24), (0.5, 0.49), (0.8, 0.72))
        >>> found = AttributionChanges("original", "small", (change,), samples=2, inside=0.25)
        >>> found.method("occlusion").agreement
        0.93
        >>> found.method("occlusion").localisation  # of what speaks for the class, inside the region
        (0.8, 0.72)
    """

    before: str
    after: str
    methods: tuple[AttributionChange, ...]
    samples: int
    inside: float | None

    def method(self, name: str) -> AttributionChange:
        """Return what one method says."""
        for each in self.methods:
            if each.method == name:
                return each
        raise InputError(f"There is no {name!r} here. {nearest(name, [each.method for each in self.methods])}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        found: dict[str, Any] = plain(asdict(self))
        return found

    def table(self) -> Table:
        """Return a rich table."""
        columns = ["method", "rank agreement", "deletion AUC", "at random"]
        columns += [] if self.inside is None else [f"inside ({self.inside:.0%} of the area)"]
        table = new_table(f"{self.before} → {self.after}, {self.samples} samples", *columns)
        for each in self.methods:
            pairs = [" → ".join(map(number, pair)) for pair in (each.deletion, each.random_deletion)]
            where = [] if each.localisation is None else [" → ".join(map(percent, each.localisation))]
            table.add_row(each.method, f"{each.agreement:.3f}", *pairs, *where)
        return table

    def __str__(self) -> str:
        return as_text(self.table())


@named_arguments()
def compare_attributions(
    before: keras.Model,
    after: keras.Model,
    data: Any,
    *,
    methods: Sequence[str] | None = None,
    inside: Any = None,
    baseline: Any = 0.0,
    samples: int = 64,
    seed: int = 0,
    progress: bool = True,
) -> AttributionChanges:
    """Say whether two networks stand on the same parts of their inputs, and how well each attribution knows them.

    Explained is the score of the label, where there are class labels, else of the top class of the network before.

    Args:
        before: The network as it was.
        after: The network that came of it, with the same input and output.
        data: Anything `fit` takes.
        methods: Some of "grad_cam" (convolutions), "integrated_gradients", "occlusion"; None for all that are defined.
        inside: A region that the answers should stand on: a mask of the positions, for all samples or for each in the
            order in which they are taken, or a box of a pair (begin, end) for each axis.
        baseline: An input that says nothing: a number or an array that can be broadcast to a sample.
        samples: How many samples are used at most.
        seed: Seed of the random order.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        What each method says of both networks.

    Raises:
        InputError: If a method is not defined for these networks, or the data don't fit.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="hidden"), keras.layers.Dense(3)])
        >>> found = compare_attributions(model, model, np.random.default_rng(0).normal(size=(8, 4)))
        >>> [(each.method, round(each.agreement, 6)) for each in found.methods]
        [('integrated_gradients', 1.0), ('occlusion', 1.0)]
    """
    examples = Examples(before, data, samples)
    x = checked_input(before, single_input(before, examples))
    checked_input(after, x)
    classes = checked_classes(before, x, class_numbers(examples.y), examples.batch)
    maps = x.ndim > 2 and all(has_maps(trace(model)) for model in (before, after))
    usual = [name for name in METHODS if maps or name != "grad_cam"]
    for name in methods or ():
        if name not in METHODS:
            raise InputError(f"There is no method {name!r}. {nearest(name, METHODS)}")
        if name not in usual:
            raise InputError(f"{name!r} needs convolutions over the axes of the input; there are {', '.join(usual)}.")
    positions = x.shape[1:-1] if x.ndim > 2 else x.shape[1:]
    region = None if inside is None else mask_for(inside, positions, len(x))
    noise = np.random.default_rng(seed).random((len(x), *positions))
    models = (before, after)
    scorers = [Scorer(model) for model in models]
    random = [mean(deletion_auc(score, x, classes, noise, baseline=baseline)) for score in scorers]
    found = []
    wanted = list(methods or usual)
    for name in track(wanted, len(wanted), "attribution", progress):
        both = [map_of(METHODS[name](model, x, classes, baseline), x.shape) for model in models]
        agreements = rank_agreement(*both)
        deletion = [
            mean(deletion_auc(score, x, classes, own, baseline=baseline))
            for score, own in zip(scorers, both, strict=True)
        ]
        where = None if region is None else [mean(localisation(own, region)) for own in both]
        found.append(
            AttributionChange(
                name,
                mean(agreements),
                tuple(agreements.tolist()),
                (deletion[0], deletion[1]),
                (random[0], random[1]),
                None if where is None else (where[0], where[1]),
            )
        )
    area = None if region is None else float(region.mean())
    return AttributionChanges(before.name, after.name, tuple(found), len(x), area)


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of those values that are known; NaN if none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
