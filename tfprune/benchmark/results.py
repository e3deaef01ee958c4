"""What a benchmark found, as frozen records that print, and go to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Environment", "Latency", "Memory", "ModelResult", "Report", "Speedup"]


@dataclass(frozen=True)
class Latency:
    """Times of one model in milliseconds, in the words of LiteRT's own tools.

    Args:
        init_ms: Making the interpreter and allocating its tensors.
        first_ms: The first inference.
        warmup_ms: The average of the warm-up, the first inference included.
        avg_ms: Average of the measured inferences; so are the next six.
        median_ms: Median.
        p5_ms: 5th percentile.
        p95_ms: 95th percentile.
        min_ms: Shortest.
        max_ms: Longest.
        std_ms: Standard deviation.
        cpu_min_ms: Shortest CPU time of the calling thread: the steadiest number on a busy machine. With several
            threads it leaves out the work of the others.
        cpu_median_ms: Median CPU time of the calling thread.
        num_runs: The number of measured inferences.
        num_warmup_runs: The number of inferences of the warm-up.
    """

    init_ms: float
    first_ms: float
    warmup_ms: float
    avg_ms: float
    median_ms: float
    p5_ms: float
    p95_ms: float
    min_ms: float
    max_ms: float
    std_ms: float
    cpu_min_ms: float
    cpu_median_ms: float
    num_runs: int
    num_warmup_runs: int

    def __str__(self) -> str:
        return (
            f"Inference timings in us: Init: {self.init_ms * 1e3:.0f}, First inference: {self.first_ms * 1e3:.0f}, "
            f"Warmup (avg): {self.warmup_ms * 1e3:.1f}, Inference (avg): {self.avg_ms * 1e3:.1f}"
        )


@dataclass(frozen=True)
class Memory:
    """The peak resident memory of the process that ran the model, in bytes; None where the system can't tell.

    Args:
        peak_bytes: Of the whole process: Python, NumPy, the interpreter and the model.
        model_bytes: How much of it was added by loading and running the model.
    """

    peak_bytes: int | None
    model_bytes: int | None


@dataclass(frozen=True)
class Speedup:
    """How many times faster a model is than the first one, from rounds in which both ran.

    Args:
        median: The median over the rounds of (median time of the first model) / (median time of this one).
        p5: The 5th percentile over the rounds.
        p95: The 95th percentile over the rounds.
        num_rounds: The number of rounds.
    """

    median: float
    p5: float
    p95: float
    num_rounds: int

    def __str__(self) -> str:
        return f"{self.median:.2f}x (5-95 %: {self.p5:.2f}-{self.p95:.2f}, {self.num_rounds} rounds)"


@dataclass(frozen=True)
class ModelResult:
    """All that was measured of one model.

    Args:
        model: The path of the file.
        file_bytes: Its size.
        gzip_bytes: Its size after gzip.
        latency: Times.
        memory: Peak memory.
        speedup: Compared with the first model; None for the first one itself.
    """

    model: str
    file_bytes: int
    gzip_bytes: int
    latency: Latency
    memory: Memory
    speedup: Speedup | None

    def __str__(self) -> str:
        return str(self.latency)


@dataclass(frozen=True)
class Environment:
    """Where the times hold.

    Args:
        device: What ran the models: "cpu".
        threads: The threads of the interpreter.
        interpreter: The package that the interpreter comes from.
        versions: Versions of the interpreter, of NumPy and of Python.
        platform: Operating system and architecture.
        cpu: The name of the CPU or of the board.
        cpu_flags: Its vector instruction sets that matter.
        cores: The cores that could be used.
        load_average: Busy processes over the last minute, before we began.
    """

    device: str
    threads: int
    interpreter: str
    versions: Mapping[str, str]
    platform: str
    cpu: str
    cpu_flags: tuple[str, ...]
    cores: int
    load_average: float | None


@dataclass(frozen=True)
class Report:
    """The results of `tfprune.benchmark.run`: iterate over it, index it, print it, or save it as JSON.

    Args:
        models: One result for each path, in the order given.
        environment: Where the times hold.
        notes: What a reader has to know to trust them.

    Example:
        >>> report = tfprune.benchmark.run(["dense.tflite", "small.tflite"], min_seconds=0.1)
        >>> report[1].speedup.median > 0, report[1].latency.median_ms > 0
        (True, True)
    """

    models: tuple[ModelResult, ...]
    environment: Environment
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.models)

    def __iter__(self) -> Iterator[ModelResult]:
        return iter(self.models)

    def __getitem__(self, index: int) -> ModelResult:
        return self.models[index]

    def __str__(self) -> str:
        from tfprune.benchmark.rendering import as_text

        return as_text(self)

    def table(self) -> Table:
        """Return a `rich.table.Table`: size, gzip, median, p5-p95, speed-up and peak memory of each model."""
        from tfprune.benchmark.rendering import as_table

        return as_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Return dicts, lists, numbers and strings only, under the names of the attributes."""
        content: dict[str, Any] = json.loads(self.to_json())
        return content

    def to_json(self, indent: int | None = 2) -> str:
        """Return the report as JSON; `Report.from_json` reads it."""
        return json.dumps(asdict(self), indent=indent)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Report:
        """Make a report from what `to_dict` returned.

        Raises:
            InputError: If it is something else.
        """
        try:
            environment = {**content["environment"], "cpu_flags": tuple(content["environment"]["cpu_flags"])}
            models = tuple(_model_result(model) for model in content["models"])
            return cls(models, Environment(**environment), tuple(content["notes"]))
        except (KeyError, TypeError) as error:
            raise InputError(f"This is not a saved benchmark report ({error!r}); give what to_json() wrote.") from error

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Make a report from what `to_json` returned, for example to compare two days.

        Raises:
            InputError: If it is something else.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise InputError(f"This is not JSON ({error}); give what to_json() wrote.") from error
        return cls.from_dict(content)


def _model_result(content: Mapping[str, Any]) -> ModelResult:
    parts = {
        "latency": Latency(**content["latency"]),
        "memory": Memory(**content["memory"]),
        "speedup": None if content["speedup"] is None else Speedup(**content["speedup"]),
    }
    return ModelResult(**{**content, **parts})
