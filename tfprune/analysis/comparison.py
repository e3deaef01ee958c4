"""`tfprune.compare`: networks side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.table import Table
from rich.text import Text

from tfprune import benchmark
from tfprune.analysis.contestant import Facts, Model, answers_of, facts_of, named_models, samples_for
from tfprune.analysis.intervals import wilson
from tfprune.analysis.rendering import as_text, new_table, percent, plain
from tfprune.analysis.samples import class_numbers
from tfprune.arguments import named_arguments
from tfprune.errors import ExportError, InputError
from tfprune.export import to_tflite
from tfprune.numbers import is_integer
from tfprune.refit.measure import likeness
from tfprune.shown import Shown
from tfprune.sizes import readable

__all__ = ["Compared", "Comparison", "compare"]


@dataclass(frozen=True)
class Compared:
    """One of several networks.

    Args:
        name: What it is called.
        kind: "keras" or "tflite".
        accuracy: Share of samples whose top class is the label; None without class labels.
        interval: The 95 % interval of that (Wilson), for the samples as drawn; None likewise.
        agreement: Share of samples with the same top class as the first network; None if it gives no classes.
        error: Squared difference of its outputs from the first's, relative to their variance; None without data, or
            where shapes differ.
        facts: Parameters, MACs, bytes, gzip, zeros.
        latency_ms: Median latency of one inference; None if it was not measured.
        speedup: How many times faster it is than the first, the median over rounds in which they took turns.
        speedup_range: The 5th and 95th percentile of that.
        note: What could not be found out; else "".
    """

    name: str
    kind: str
    accuracy: float | None
    interval: tuple[float, float] | None
    agreement: float | None
    error: float | None
    facts: Facts
    latency_ms: float | None = None
    speedup: float | None = None
    speedup_range: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Comparison(Shown):
    """Networks side by side; iterate over it, index it, print it.

    Args:
        models: The networks, in the order given; the first is what others are compared with.
        samples: On how many samples.
        notes: What a reader has to know.

    Example:
        >>> from tfprune.analysis.contestant import Facts
        >>> first = Compared("original", "keras", 0.9, (0.88, 0.92), 1.0, 0.0, Facts(450, 9_000, 1_800, 1_700, 0.0))
        >>> second = Compared("small", "keras", 0.89, (0.87, 0.91), 0.97, 0.02, Facts(162, 4_000, 648, 600, 0.0))
        >>> found = Comparison((first, second), samples=1000)
        >>> found["small"].agreement, found["small"].facts.parameters / found[0].facts.parameters
        (0.97, 0.36)
        >>> [each.name for each in found if each.accuracy >= found[0].interval[0]]
        ['original', 'small']
    """

    models: tuple[Compared, ...]
    samples: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.models)

    def __getitem__(self, which: int | str) -> Compared:
        if isinstance(which, str):
            found = [each for each in self.models if each.name == which]
            if not found:
                raise InputError(f"There is no model {which!r}; there are {', '.join(m.name for m in self.models)}.")
            return found[0]
        return self.models[which]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        found: dict[str, Any] = plain(asdict(self))
        return found

    def table(self) -> Table:
        """Return a rich table; what is not known of any model has no column."""
        first = self.models[0].facts
        rows = []
        for each in self.models:
            facts = each.facts
            interval = "" if each.interval is None else f" ({each.interval[0]:.1%} to {each.interval[1]:.1%})"
            factor = "" if each.speedup is None else f"{each.speedup:.2f}×"
            rows.append(
                {
                    "accuracy": None if each.accuracy is None else f"{each.accuracy:.1%}{interval}",
                    "same class": None if each.agreement is None else f"{each.agreement:.1%}",
                    "output error": None if each.error is None else f"{each.error:.2%}",
                    "parameters": f"{facts.parameters:,}",
                    "MACs": None if facts.macs is None else f"{facts.macs:,}",
                    "bytes": f"{readable(facts.bytes)} ({facts.bytes / max(first.bytes, 1):.0%})",
                    "gzip": readable(facts.gzip_bytes),
                    "zeros": percent(facts.zeros),
                    "latency": None if each.latency_ms is None else f"{each.latency_ms:.3f} ms",
                    "speed-up": factor or None,
                }
            )
        columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
        table = new_table(f"{len(self)} models, {self.samples} samples", "model", *columns)
        for each, row in zip(self.models, rows, strict=True):
            table.add_row(Text(each.name), *(row[name] or "–" for name in columns))
        return table

    def __str__(self) -> str:
        notes = [*self.notes, *(f"{each.name}: {each.note}" for each in self.models if each.note)]
        return "\n".join([as_text(self.table()), *(f"Note: {note}" for note in notes)])


@named_arguments()
def compare(
    models: Mapping[str, Model] | Iterable[Model] | Model,
    data: Any = None,
    *,
    samples: int = 1024,
    batch: int = 64,
    convert: bool = True,
    latency: bool = True,
    threads: int = 1,
    runs: int = 50,
    min_seconds: float = 1.0,
    seed: int = 0,
) -> Comparison:
    """Compare any number of Keras models and .tflite files: what they answer, how large and how fast they are.

    All take turns when latency is measured, each in a process of its own; Keras models as the float32 .tflite files
    that they would be exported to, whose bytes are counted too.

    Args:
        models: Keras models and paths of .tflite files: a list, or a dict by the names that they are to be called.
        data: Anything `fit` takes, for accuracy (with class labels) and agreement; None compares size and speed only.
        samples: How many samples are used at most.
        batch: How many of them go through Keras models at once.
        convert: Whether to make .tflite files of Keras models, in a temporary folder. Without them bytes are those of
            the weights, and their latency is not measured.
        latency: Whether to measure latency.
        threads: Threads of the interpreter.
        runs: Measured inferences of each, at least.
        min_seconds: Measured time of each, at least.
        seed: Of the made-up inputs whose inference is timed.

    Returns:
        The networks side by side, in the order given.

    Raises:
        InputError: If there is no model, a file is no .tflite file, or the data don't fit.
        BenchmarkError: If a .tflite file can't be run.

    Example:
        >>> labels = tfprune.datasets.fashion_mnist_small().y_test[:8]
        >>> found = tfprune.analysis.compare(["dense.tflite", "small.tflite"], (x_test, labels), min_seconds=0.05)
        >>> found[1].facts.bytes < found[0].facts.bytes, found[0].agreement, found[0].speedup
        (True, 1.0, None)
    """
    for name, value in (("samples", samples), ("batch", batch), ("threads", threads)):
        if not is_integer(value) or value < 1:
            raise InputError(f"{name} is {value!r}; give an int from 1.")
    named = named_models(models)
    given = None if data is None else samples_for(list(named.values()), data, samples)
    labels = None if given is None else class_numbers(given.labels)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        answers: list[list[Any]] = []
        for number, (name, model) in enumerate(named.items()):
            note = ""
            if not isinstance(model, keras.Model):
                files[name] = Path(model)
            elif convert:
                try:
                    files[name] = to_tflite(
                        model, Path(folder) / f"{number}.tflite", quantize="float32", sparse=False, verify=False
                    ).path
                except (ExportError, InputError) as error:
                    note = f"not converted: {str(error).splitlines()[0]}"
            kind = "keras" if isinstance(model, keras.Model) else "tflite"
            row: dict[str, Any] = {"name": name, "kind": kind, "note": note}
            row["facts"] = facts_of(model, files.get(name))
            if given is not None:
                answers.append(answers_of(model, given, batch))
            row.update(judged(answers, labels))
            rows.append(row)
        notes: tuple[str, ...] = ()
        if latency and files:
            report = benchmark.run(list(files.values()), threads=threads, runs=runs, min_seconds=min_seconds, seed=seed)
            timed = dict(zip(files, report, strict=True))
            for row in rows:
                result = timed.get(row["name"])
                if result is None:
                    continue
                row["latency_ms"] = result.latency.median_ms
                if result.speedup is not None and next(iter(files)) == rows[0]["name"]:
                    row["speedup"] = result.speedup.median
                    row["speedup_range"] = (result.speedup.p5, result.speedup.p95)
            notes = report.notes
    count = 0 if given is None else len(given.inputs[0])
    return Comparison(tuple(Compared(**row) for row in rows), count, notes)


def judged(answers: list[list[Any]], labels: Any) -> dict[str, Any]:
    """Return how good the last of some answers are, and how near to the first."""
    empty = {"accuracy": None, "interval": None, "agreement": None, "error": None}
    if not answers:
        return empty
    first, last = answers[0], answers[-1]
    found: dict[str, Any] = dict(empty)
    if [each.shape for each in first] == [each.shape for each in last]:
        like = likeness(first, last)
        found.update(agreement=like.agreement, error=like.error)
    if labels is not None and len(last) == 1 and last[0].ndim == 2 and last[0].shape[1] > 1:
        hits = int(np.count_nonzero(last[0].argmax(axis=1) == labels))
        found.update(accuracy=hits / len(labels), interval=wilson(hits, len(labels)))
    return found
