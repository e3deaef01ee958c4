"""The time of each layer, as a frozen record that prints, is a table, and goes to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.benchmark.rendering import printable
from tfprune.errors import InputError, one_line
from tfprune.plain_records import from_plain
from tfprune.shown import Shown

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["LayerReport", "LayerTime"]


@dataclass(frozen=True)
class LayerTime:
    """The time of an operation, or of several in a row that were timed together.

    Args:
        operations: What TFLite or XNNPACK calls them.
        layers: The Keras layers that they come from, as far as the file tells.
        shape: The shape of what the last one makes; None where it is not known.
        macs: Their multiply-accumulates; None where they are not known.
        ms: The time.
        share: Of the sum of all, from 0 to 1.
        p5_ms: 5th percentile over the rounds, below 0 where noise exceeds the time; None with `benchmark_model`.
        p95_ms: 95th percentile.

    Example:
        >>> row = LayerTime(("CONV_2D", "RELU", "ADD"), ("conv_1", "add_1"), (1, 28, 28, 16), 112_896, 0.4, share=0.25)
        >>> row.name, row.layers, f"{row.share:.0%}"
        ('CONV_2D, RELU, ADD', ('conv_1', 'add_1'), '25%')
    """

    operations: tuple[str, ...]
    layers: tuple[str, ...]
    shape: tuple[int, ...] | None
    macs: int | None
    ms: float
    share: float
    p5_ms: float | None = None
    p95_ms: float | None = None

    @property
    def name(self) -> str:
        """The operations in few words: "CONV_2D", "CONV_2D and 3 more"."""
        return _few(self.operations)


@dataclass(frozen=True)
class LayerReport(Shown):
    """The time of each layer of a model: iterate over it, index it, print it, or save it as JSON.

    Args:
        model: The path of the file.
        layers: Operations, or groups of them, in the order in which they run.
        total_ms: The time of the whole model in the same rounds, or the sum with `benchmark_model`.
        method: "cuts" or "benchmark_model".
        device: What ran the model: "cpu" or "android".
        threads: The threads of the interpreter.
        versions: Of what ran it.
        clock: "cpu" for CPU time of the thread that runs the model, or "wall".
        rounds: In how many rounds, or runs, it was measured.
        notes: What a reader has to know to trust the times.

    Example:
        >>> report = tfprune.benchmark.layers("dense.tflite", min_seconds=0.1)
        >>> report[0].name, report[0].layers, report[0].shape
        ('CONV_2D', ('relu_1', 'norm_1', 'conv_1'), (1, 28, 28, 16))
    """

    model: str
    layers: tuple[LayerTime, ...]
    total_ms: float
    method: str
    device: str
    threads: int
    versions: Mapping[str, str]
    clock: str
    rounds: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[LayerTime]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> LayerTime:
        return self.layers[index]

    def __str__(self) -> str:
        lines = [printable(f"{Path(self.model).name}: {self.total_ms:.3f} ms, {self._where()}")]
        for layer in self.layers:
            words = [f"{layer.share:6.1%} {layer.ms:9.4f} ms", _spread(layer), layer.name, _shape(layer.shape)]
            lines.append(printable("  ".join(word for word in [*words, _few(layer.layers)] if word)))
        return "\n".join(lines + [f"Note: {note}" for note in self.notes])

    def table(self) -> Table:
        """Return a `rich.table.Table`: operation, layer, shape, multiply-accumulates, time, spread and share."""
        from rich.table import Table
        from rich.text import Text

        table = Table(caption=printable(self._where()), caption_justify="left")
        for heading in ("operation", "layer"):
            table.add_column(heading, overflow="fold")
        for heading in ("shape", "MACs", "time", "p5-p95", "share"):
            table.add_column(heading, justify="right")
        for layer in self.layers:
            table.add_row(
                Text(printable(layer.name)),
                Text(printable(_few(layer.layers))),
                Text(_shape(layer.shape)),
                "" if layer.macs is None else f"{layer.macs:,}",
                f"{layer.ms:.4f} ms",
                _spread(layer),
                f"{layer.share:.1%}",
            )
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return dicts, lists, numbers and strings only, under the names of the attributes."""
        content: dict[str, Any] = json.loads(self.to_json())
        return content

    def to_json(self, indent: int | None = 2) -> str:
        """Return the report as JSON; `LayerReport.from_json` reads it."""
        return json.dumps(asdict(self), indent=indent)

    @classmethod
    def from_json(cls, text: str) -> LayerReport:
        """Make a report from what `to_json` returned.

        Raises:
            InputError: If it is something else.
        """
        try:
            return from_plain(cls, json.loads(text))
        except (ValueError, RecursionError) as error:
            told = one_line(str(error))
            raise InputError(f"This is no saved report of layers ({told}); give what to_json() wrote.") from error

    def _where(self) -> str:
        by = ", ".join(f"{name} {version}" for name, version in self.versions.items() if name != "python")
        clock = "CPU time" if self.clock == "cpu" else "wall time"
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return f"{clock}, {threads}, {self.device}, {self.rounds} rounds, {by}"


def _few(names: tuple[str, ...]) -> str:
    if len(names) <= 3:
        return ", ".join(names)
    return f"{names[0]} and {len(names) - 1} more"


def _spread(layer: LayerTime) -> str:
    return "" if layer.p5_ms is None or layer.p95_ms is None else f"{layer.p5_ms:.4f} to {layer.p95_ms:.4f}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else "x".join(map(str, shape)) or "scalar"
