"""What is measured of one model with one setting, and where it holds: frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Delegation", "Environment", "Failure", "Latency", "Memory", "ModelResult", "Speedup"]


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
        cpu_min_ms: Shortest CPU time of the calling thread. With several threads it leaves out the work of the others;
            on a busy machine a few readings of the clock are too short. None where the tool does not measure it
            (Android).
        cpu_median_ms: Median CPU time of the calling thread, or None.
        num_runs: The number of measured inferences.
        num_warmup_runs: The number of inferences of the warm-up.
        p90_ms: 90th percentile, or None where the tool does not tell (Android).
        cpu_p5_ms: 5th percentile of the CPU time of the calling thread, or None: the steadiest number on a busy
            machine.

    Example:
        >>> times = Latency(init_ms=2.1, first_ms=0.9, warmup_ms=0.5, avg_ms=0.41, median_ms=0.4, p5_ms=0.38,
        ...                 p95_ms=0.5, min_ms=0.37, max_ms=0.8, std_ms=0.03, cpu_min_ms=0.36, cpu_median_ms=0.39,
        ...                 num_runs=200, num_warmup_runs=20, cpu_p5_ms=0.37)
        >>> times.median_ms, times.steady_ms(), times.steady_ms(threads=4)
        (0.4, 0.37, 0.38)
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
    cpu_min_ms: float | None
    cpu_median_ms: float | None
    num_runs: int
    num_warmup_runs: int
    p90_ms: float | None = None
    cpu_p5_ms: float | None = None

    def steady_ms(self, threads: int = 1) -> float:
        """Return the time that others on the machine disturb least: with one thread CPU time, else wall time."""
        return self.p5_ms if threads > 1 or self.cpu_p5_ms is None else self.cpu_p5_ms

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
        model_bytes: How much of it was added by loading and running the model. On Android this is what
            `benchmark_model` calls the overall memory footprint delta.

    Example:
        >>> Memory(peak_bytes=61_000_000, model_bytes=2_400_000).model_bytes / 1e6  # MB that the model has added
        2.4
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
        clock: Which times: "cpu" for those that the calling thread was at work, if both models have one thread;
            "wall" for what went by, if one of them has several.

    Example:
        >>> print(Speedup(1.84, p5=1.79, p95=1.9, num_rounds=40, clock="cpu"))
        1.84x (5-95 %: 1.79-1.90, 40 rounds, cpu times)
    """

    median: float
    p5: float
    p95: float
    num_rounds: int
    clock: str = "wall"

    def __str__(self) -> str:
        spread = f"5-95 %: {self.p5:.2f}-{self.p95:.2f}"
        return f"{self.median:.2f}x ({spread}, {self.num_rounds} rounds, {self.clock} times)"


@dataclass(frozen=True)
class Delegation:
    """How much of a model the XNNPACK delegate runs.

    Args:
        taken: Operations of the file that the delegate took.
        left: Operations that the interpreter's own kernels run.
        partitions: Into how many pieces the taken ones fall; between two pieces tensors change hands.

    Example:
        >>> print(Delegation(taken=11, left=1, partitions=2))
        XNNPACK took 11 of 12 operations in 2 partitions
    """

    taken: int
    left: int
    partitions: int

    def __str__(self) -> str:
        pieces = f" in {self.partitions} partition{'s' * (self.partitions != 1)}" if self.partitions else ""
        return f"XNNPACK took {self.taken} of {self.taken + self.left} operations{pieces}"


@dataclass(frozen=True)
class ModelResult:
    """All that was measured of one model with one setting.

    Args:
        model: The path of the file.
        file_bytes: Its size.
        gzip_bytes: Its size after gzip.
        latency: Times.
        memory: Peak memory.
        speedup: Compared with the first result; None for the first one itself, and where they did not take turns.
        threads: The threads of the interpreter.
        delegate: Whether the interpreter's default delegate (XNNPACK) was allowed.
        interpreter: The package that the interpreter comes from, or "benchmark_model".
        versions: Versions of the interpreter, of NumPy and of Python.
        delegation: How much the delegate took; None if the interpreter can't tell.

    Example:
        >>> times = Latency(2.1, 0.9, 0.5, 0.41, 0.4, 0.38, 0.5, 0.37, 0.8, 0.03, 0.36, 0.39, 200, 20)
        >>> speedup = Speedup(1.84, p5=1.79, p95=1.9, num_rounds=40)
        >>> result = ModelResult("small.tflite", 85_140, 61_300, times, Memory(61_000_000, 2_400_000), speedup)
        >>> result.latency.median_ms, result.speedup.median, result.file_bytes
        (0.4, 1.84, 85140)
        >>> print(result)
        Inference timings in us: Init: 2100, First inference: 900, Warmup (avg): 500.0, Inference (avg): 410.0
    """

    model: str
    file_bytes: int
    gzip_bytes: int
    latency: Latency
    memory: Memory
    speedup: Speedup | None
    threads: int = 1
    delegate: bool = True
    interpreter: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    delegation: Delegation | None = None

    def __str__(self) -> str:
        return str(self.latency)


@dataclass(frozen=True)
class Failure:
    """A model with a setting that it could not be run with, where other settings were measured.

    Args:
        model: The path of the file.
        threads: The threads of the interpreter.
        delegate: Whether the interpreter's default delegate was allowed.
        interpreter: The package that the interpreter comes from; empty if it is the first that is installed.
        error: What happened.

    Example:
        >>> failure = Failure("net.tflite", threads=4, delegate=True, interpreter="", error="ran longer than 60 s")
        >>> f"{failure.model} with {failure.threads} threads: {failure.error}"
        'net.tflite with 4 threads: ran longer than 60 s'
    """

    model: str
    threads: int
    delegate: bool
    interpreter: str
    error: str


@dataclass(frozen=True)
class Environment:
    """Where the times hold.

    Args:
        device: What ran the models: "cpu", or "android".
        threads: The threads of the interpreter, of the first result.
        interpreter: The package that the interpreter comes from, of the first result.
        versions: Versions of the interpreter, of NumPy and of Python, of the first result; of Android.
        platform: Operating system and architecture.
        cpu: The name of the CPU, of the board or of the phone.
        cpu_flags: Its vector instruction sets that matter.
        cores: The cores that could be used, or None where the system can't tell.
        load_average: Busy processes over the last minute, before we began, or None.

    Example:
        >>> place = Environment("cpu", 1, "ai_edge_litert", {"numpy": "2.1"}, "Linux x86_64", "Xeon", ("avx2",), 4, 0.3)
        >>> place.load_average / place.cores < 0.5  # a machine with little else to do
        True
    """

    device: str
    threads: int
    interpreter: str
    versions: Mapping[str, str]
    platform: str
    cpu: str
    cpu_flags: tuple[str, ...]
    cores: int | None
    load_average: float | None
