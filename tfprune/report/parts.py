"""What a report is made of: frozen records of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Change", "Channels", "File", "Front", "Layer", "Part", "Point", "Stage", "Waterfall", "Weights"]

Band = tuple[float, float]


@dataclass(frozen=True)
class Change:
    """A number that people ask for first, before and after.

    Args:
        name: What it is: `"accuracy"`, `"parameters"`, `"MACs"`, `"file"`, …
        unit: `"share"` (a fraction that is shown in per cent), `"count"`, `"bytes"`, `"ms"`, or `""`.
        after: Its value now.
        before: Its value of the dense network; None if it is not known.
        after_range: Where it lies with 95 %, or from the 5th to the 95th percentile of what was timed; None if nobody
            knows.
        before_range: Likewise.
        more: Whether more of it is better.
        note: How it was found, in a few words.
    """

    name: str
    unit: str
    after: float
    before: float | None = None
    after_range: Band | None = None
    before_range: Band | None = None
    more: bool = False
    note: str = ""


@dataclass(frozen=True)
class Stage:
    """A stage of a recipe, or the dense network as it was before the first.

    Args:
        name: Its method.
        values: What was measured after it, by name: the metrics, `"parameters"`, `"macs"`, `"bytes"`, `"zeros"`.
        kept: Whether it is above the floor of the recipe.
        seconds: How long it took; None if nobody knows.
    """

    name: str
    values: Mapping[str, float]
    kept: bool = True
    seconds: float | None = None


@dataclass(frozen=True)
class Point:
    """A network that was looked at in a search.

    Args:
        x: What it costs.
        y: What it is worth.
        role: `"whole"`, `"chosen"`, `"front"` or `"trial"`.
        detail: What is to be said about it.
    """

    x: float
    y: float
    role: str
    detail: str = ""


@dataclass(frozen=True)
class Front:
    """What a search has found.

    Args:
        x: The name of the cost.
        y: The name of the worth, such as `"accuracy"` or `"error"`.
        more: Whether more of the worth is better.
        points: The networks that were made.
        estimated: How many were looked at without being made.
        failed: How many could not be made.
    """

    x: str
    y: str
    more: bool
    points: tuple[Point, ...]
    estimated: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Layer:
    """A layer with weights, before and after. What is not known, or was not there, is None.

    Args:
        name: Its path in the dense network, or in the small one if it is new.
        kind: Its class.
        before: Parameters of the dense network's.
        after: Parameters now; those of all its factors, if it is a chain of smaller layers now.
        macs_before: Multiply-accumulates for one sample.
        macs_after: Likewise.
        units_before: How many channels it makes.
        units_after: Likewise.
        zeros: How many of its `weights` are zero now.
        weights: How many weights its kernels have now.
        share: Which part of the time of the small network it takes.
        predicted: The error that the removal was thought to add in what reads its channels.
        factors: Of how many layers it is made now.
        reason: Why it stays as it was, or what else there is to say.
        score: Which part of the scores of its weights, by the report's criterion, belongs to those that are left.
    """

    name: str
    kind: str
    before: int | None = None
    after: int | None = None
    macs_before: int | None = None
    macs_after: int | None = None
    units_before: int | None = None
    units_after: int | None = None
    zeros: int | None = None
    weights: int | None = None
    share: float | None = None
    predicted: float | None = None
    factors: int = 1
    reason: str = ""
    score: float | None = None

    @property
    def sparsity(self) -> float | None:
        """Fraction of zeros in its kernels now."""
        return None if self.zeros is None or not self.weights else self.zeros / self.weights


@dataclass(frozen=True)
class Channels:
    """A group of channels, and which of them are left.

    Args:
        name: The group's.
        kind: What its channels are: `"filter"`, `"unit"`, `"head"`, …
        size: How many there were.
        left: How many are left; None if that is not known.
        runs: Lengths of runs of channels that are kept and gone in turn, the first of kept ones; empty if it is not
            known which are kept.
        reason: Why all stay.
        silent: Whether those that are gone are still there, with nothing but zeros.
    """

    name: str
    kind: str
    size: int
    left: int | None = None
    runs: tuple[int, ...] = ()
    reason: str = ""
    silent: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= (self.left or 0) <= self.size:
            raise ValueError(f"{self.name} has {self.left} of {self.size} channels left")
        if self.runs and (min(self.runs) < 0 or sum(self.runs) != self.size):
            raise ValueError(f"{self.name} has runs of {sum(self.runs)} channels, and {self.size} in all")


@dataclass(frozen=True)
class Weights:
    """The weights of a kernel as a picture.

    Args:
        name: The layer.
        shape: Of the kernel as it was.
        picture: Rows of a map of the mean magnitude, inputs down and outputs across, a character for each cell: `"."`
            where all weights are gone, `"0"` where all are zero, `"1"` to `"6"` for how large they are.
        limit: The histograms reach from minus this to this.
        after: How many weights that are not zero are in each bin.
        before: Likewise in the dense network.
        zeros: Fraction of zeros among the weights that are left.
    """

    name: str
    shape: tuple[int, ...]
    picture: tuple[str, ...]
    limit: float
    after: tuple[int, ...]
    before: tuple[int, ...] = ()
    zeros: float = 0.0

    def __post_init__(self) -> None:
        if self.before and len(self.before) != len(self.after):
            raise ValueError(f"{self.name} has histograms of {len(self.before)} and {len(self.after)} bins")


@dataclass(frozen=True)
class Part:
    """Some operations that the interpreter ran, and the milliseconds that they took.

    Args:
        name: The layers that they come from, or the operations.
        ms: The median.
        low: The 5th percentile.
        high: The 95th percentile.
    """

    name: str
    ms: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Waterfall:
    """Where the time of a file goes.

    Args:
        name: The file.
        total: Milliseconds in all.
        parts: In the order in which they run.
        where: How and on what it was measured.
    """

    name: str
    total: float
    parts: tuple[Part, ...]
    where: str = ""


@dataclass(frozen=True)
class File:
    """A file that was exported.

    Args:
        name: Its name.
        bytes: Its size.
        right: For what part of the validation data the interpreter's top class is right.
        ms: Milliseconds for one sample.
        dense_ms: Of the dense network as float32, in the same rounds.
        speedup: How many times faster than that it is, in the median of the rounds.
        agreement: How it compares with Keras.
    """

    name: str
    bytes: int
    right: float | None = None
    ms: float | None = None
    dense_ms: float | None = None
    speedup: float | None = None
    agreement: str = ""
