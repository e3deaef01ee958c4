"""`interactions`: which parts of a network can stand in for each other, and which only work together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from tfprune.analysis.intervene import Effects
from tfprune.analysis.rendering import as_text, new_table, number, plain
from tfprune.analysis.units import changes, switches
from tfprune.arguments import named_arguments
from tfprune.console import track
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.numbers import is_integer
from tfprune.shown import Shown
from tfprune.statistics.examples import Examples

__all__ = ["Interactions", "interactions"]


@dataclass(frozen=True)
class Interactions(Shown):
    """What parts of a network do alone and together.

    Args:
        name: Name of the model.
        units: The parts.
        measure: What rises when they go: "loss" or "output error" (squared difference relative to the variance).
        whole: The loss with all of them; 0 for an output error.
        alone: `Δ(A)`, by how much it rises without each part, float (parts,).
        together: `Δ(AB)`, without each pair, float (parts, parts); NaN where it was not measured and on the diagonal.

    Example:
        >>> alone, together = np.array([0.1, 0.1]), np.array([[np.nan, 0.9], [0.9, np.nan]])
        >>> found = Interactions("net", ("left", "right"), "loss", 0.5, alone, together)
        >>> round(found.pair("left", "right"), 6)  # more than 0: only one of them can go
        0.7
    """

    name: str
    units: tuple[str, ...]
    measure: str
    whole: float
    alone: NDArray[np.float64] = field(repr=False)
    together: NDArray[np.float64] = field(repr=False)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """`I(A, B) = Δ(AB) − Δ(A) − Δ(B)`, float (parts, parts), NaN where it is not known.

        More than 0: each stands in for the other, and only one of them can go. Less than 0: they work together, and
        where one has gone the other is of less use. 0: they have nothing to do with each other.
        """
        found: NDArray[np.float64] = self.together - (self.alone[:, None] + self.alone[None, :])
        return found

    @property
    def pairs(self) -> tuple[tuple[str, str, float], ...]:
        """All pairs that were measured with their interaction, the strongest first."""
        matrix = self.matrix
        found = [
            (self.units[a], self.units[b], float(matrix[a, b]))
            for a, b in combinations(range(len(self.units)), 2)
            if np.isfinite(matrix[a, b])
        ]
        return tuple(sorted(found, key=lambda pair: -abs(pair[2])))

    def pair(self, first: str, second: str) -> float:
        """Return the interaction of two parts."""
        for name in (first, second):
            if name not in self.units:
                raise InputError(f"There is no part {name!r}; there are {', '.join(self.units)}.")
        return float(self.matrix[self.units.index(first), self.units.index(second)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        found: dict[str, Any] = plain({**vars(self), "matrix": self.matrix})
        return found

    def table(self, most: int = 20) -> Table:
        """Return a rich table of the strongest interactions."""
        title = f"{self.name}: rise of the {self.measure} without A, B and both"
        table = new_table(title, "A", "B", "Δ(A)", "Δ(B)", "Δ(AB)", "interaction")
        order = {name: place for place, name in enumerate(self.units)}
        for first, second, value in self.pairs[:most]:
            a, b = order[first], order[second]
            cells = [number(float(each)) for each in (self.alone[a], self.alone[b], self.together[a, b])]
            table.add_row(Text(first), Text(second), *cells, f"{value:+.3g}")
        return table

    def __str__(self) -> str:
        return as_text(self.table())


@named_arguments()
def interactions(
    model: keras.Model,
    data: Any,
    *,
    of: Literal["layers", "blocks", "groups"] | Mapping[str, Any] = "groups",
    only: Sequence[str] | None = None,
    pairs: int = 200,
    measure: Literal["loss", "output error"] | None = None,
    samples: int = 256,
    batch: int = 64,
    seed: int = 0,
    progress: bool = True,
) -> Interactions:
    """Leave out parts of a network, one by one and two by two, and say which of them stand in for each other.

    `I(A, B) = Δ(AB) − Δ(A) − Δ(B)`, where Δ is by how much the loss rises, or the error of the outputs. A sum of
    rises, as criteria score parts one by one, is right where this is 0; where it is large and positive, each part looks
    needless as long as the other is there. It is exact on the samples, and says nothing of what training would repair.

    Args:
        model: A built model; it is only read.
        data: Anything `fit` takes. With labels, and a compiled model, the loss is measured.
        of: What is left out: `"groups"` of channels (zero where they are read), residual `"blocks"` (the shortcut is
            left), `"layers"` with weights (what they make is zero; in a chain of layers one without the other says
            little), or channels by names of your own: `{"a": {"conv": [0, 1]}, "b": {"conv": [2]}}`.
        only: Names of the parts to look at; None for all.
        pairs: How many pairs are measured at most; of more, that many are drawn at random.
        measure: `"loss"` or `"output error"`; None takes the loss where it is known.
        samples: How many samples are used at most.
        batch: How many go through the network at once.
        seed: Seed of the choice of pairs.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        What the parts do alone and together.

    Raises:
        InputError: If there are fewer than two parts of that kind, or an argument makes no sense.

    Example:
        >>> inputs = keras.Input((2,))
        >>> left, right = (keras.layers.Dense(2, name=name)(inputs) for name in ("left", "right"))
        >>> model = keras.Model(inputs, keras.layers.Maximum()([keras.ops.abs(left), keras.ops.abs(right)]))
        >>> model.get_layer("right").set_weights(model.get_layer("left").get_weights())
        >>> found = interactions(model, np.random.default_rng(0).normal(size=(16, 2)), of="layers")
        >>> found.alone.tolist(), found.pair("left", "right") > 1
        ([0.0, 0.0], True)
    """
    if not is_integer(pairs) or pairs < 1:
        raise InputError(f"pairs is {pairs!r}; give an int from 1.")
    if measure not in (None, "loss", "output error"):
        raise InputError(f'measure is {measure!r}; give "loss", "output error" or None.')
    graph = trace(model)
    found = switches(graph, of)
    if only is not None:
        unknown = set(only) - {switch.name for switch in found}
        if unknown:
            raise InputError(f"There is no part {sorted(unknown)[0]!r}; there are {', '.join(s.name for s in found)}.")
        found = [switch for switch in found if switch.name in only]
    if len(found) < 2:
        raise InputError(f"{model.name!r} has {len(found)} part of that kind; two at least can interact.")
    examples = Examples(model, data, samples, batch)
    effects = Effects(graph, examples, lambda on, _: changes(found, on), None if measure is None else measure == "loss")
    whole = effects.measure(np.ones(len(found)))

    def rise(*off: int) -> float:
        on = np.ones(len(found))
        on[list(off)] = 0
        return effects.rise(effects.measure(on), whole)

    everything = list(combinations(range(len(found)), 2))
    if len(everything) > pairs:
        chosen = np.sort(np.random.default_rng(seed).choice(len(everything), pairs, replace=False))
        everything = [everything[place] for place in chosen]
    tasks: list[tuple[int, ...]] = [*((place,) for place in range(len(found))), *everything]
    alone, together = np.zeros(len(found)), np.full((len(found), len(found)), np.nan)
    for off in track(tasks, len(tasks), "interactions", progress):
        value = rise(*off)
        if len(off) == 1:
            alone[off[0]] = value
        else:
            together[off] = together[off[::-1]] = value
    told = "loss" if effects.of_loss else "output error"
    return Interactions(model.name, tuple(switch.name for switch in found), told, whole[0], alone, together)
