"""`run`: measure one model, or several models and settings in turn."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from tfprune.arguments import named_arguments
from tfprune.benchmark import host
from tfprune.benchmark.child import Child
from tfprune.benchmark.configurations import configurations
from tfprune.benchmark.data_folder import Inputs, data_folder
from tfprune.benchmark.entrants import Entrant, take_turns
from tfprune.benchmark.model_file import PathLike, check_model_file, gzip_bytes
from tfprune.benchmark.notes import notes
from tfprune.benchmark.records import Environment, Failure, Memory, ModelResult
from tfprune.benchmark.results import Report
from tfprune.benchmark.settings import Settings
from tfprune.benchmark.timing import latency, speedup
from tfprune.errors import BenchmarkError, InputError

__all__ = ["check_model_files", "run"]


@named_arguments(num_threads="give threads=2", delegates="give delegate=[True, False]")
def run(
    paths: PathLike | Sequence[PathLike],
    *,
    threads: int | Sequence[int] = 1,
    delegate: bool | Sequence[bool] = True,
    interpreter: str | Sequence[str] | None = None,
    warmup: int = 1,
    runs: int = 50,
    min_seconds: float = 1.0,
    max_seconds: float = 150.0,
    warmup_seconds: float = 0.5,
    timeout: float | None = None,
    seed: int = 0,
    inputs: Inputs | None = None,
) -> Report:
    """Measure how long .tflite models take on this machine, how much memory they need and how large they are.

    Every model with every setting runs in a process of its own, so a damaged one can't take this program along. They
    take turns of about 50 ms, in changing order, and are compared round by round with the first one: the first model
    with the first setting. With one thread each, what is compared is the time that the thread was at work, whatever
    else the machine does; with several it is the time that went by.

    Args:
        paths: One .tflite file, or several.
        threads: Threads of the interpreter; several numbers are measured side by side.
        delegate: Whether the interpreter's default delegate, XNNPACK, may take operations; `[True, False]` measures
            both side by side.
        interpreter: The package to take the interpreter from: "ai-edge-litert", "tflite-runtime" or "tensorflow"
            (`tf.lite.Interpreter`), a list of them, or "all" that are installed; None for the first that is installed.
        warmup: Inferences before the measurement, at least.
        runs: Measured inferences, at least.
        min_seconds: Measured time of each model, at least.
        max_seconds: Measured time of each model after which it is stopped, however few its inferences.
        warmup_seconds: Time of the warm-up, at least.
        timeout: Seconds that one step of one model (loading it, one inference) may take; None for 60.
        seed: Of the made-up inputs: floats in [0, 1), small integers over their range, tokens 0 or 1.
        inputs: Real inputs instead, as for `predict`; the first sample is used.

    Returns:
        A report with one result for each path and setting. With several settings, one that a model can't be run with
        is among `failures`.

    Raises:
        InputError: If a file is no .tflite file, an interpreter is not installed, or an argument makes no sense.
        BenchmarkError: If a model can't be run, crashes its process or exceeds the time limit; of several settings,
            if it can be run with none, or ends while it is measured.

    Example:
        >>> import tfprune.benchmark
        >>> report = tfprune.benchmark.run(["dense.tflite", "small.tflite"], threads=1, min_seconds=0.1)
        >>> print(report[0].latency)
        Inference timings in us: Init: ..., First inference: ..., Warmup (avg): ..., Inference (avg): ...
        >>> both = tfprune.benchmark.run("dense.tflite", delegate=[True, False], min_seconds=0.1)
        >>> [(result.delegate, result.delegation.taken) for result in both]
        [(True, 10), (False, 0)]
    """
    settings = Settings(warmup, runs, min_seconds, max_seconds, warmup_seconds, timeout, seed)
    wanted = configurations(threads, delegate, interpreter)
    files = check_model_files(paths)
    load_average = host.load_average()  # before we add to it
    packed = {path: gzip_bytes(path) for path in files}
    with contextlib.ExitStack() as stack:
        data = None if inputs is None else stack.enter_context(data_folder(inputs)).message()
        entrants = [Entrant(path, each, stack.enter_context(Child(path, timeout))) for path in files for each in wanted]
        failed = _Failures(tolerant=len(wanted) > 1)
        entrants = failed.sift(entrants, Entrant.start)
        entrants = failed.sift(entrants, lambda entrant: entrant.warm_up(settings, data))
        take_turns(entrants, settings)
        results = tuple(_result(entrant, entrants[0], packed) for entrant in entrants)
    environment = Environment(
        device="cpu",
        threads=results[0].threads,
        interpreter=results[0].interpreter,
        versions=results[0].versions,
        platform=platform.platform(),
        cpu=host.cpu_model(),
        cpu_flags=host.cpu_flags(),
        cores=host.cores(),
        load_average=load_average,
    )
    sparse, int8 = any(entrant.sparse for entrant in entrants), any(entrant.int8 for entrant in entrants)
    told = notes(results, environment, sparse=sparse, int8=int8)
    return Report(results, environment, told, tuple(failed.records))


def check_model_files(paths: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return the absolute paths of one .tflite file, or of several.

    Raises:
        InputError: If there is none, or one is no .tflite file.
    """
    given = list(paths) if isinstance(paths, Sequence) and not isinstance(paths, str) else [paths]
    if not given:
        raise InputError("No model was given; give the path of a .tflite file, or several.")
    for path in given:
        if not hasattr(path, "__fspath__") and not isinstance(path, str):
            raise InputError(f"A model is given by its path, not as {type(path).__name__}; export it first.")
    return [check_model_file(path) for path in given]


class _Failures:
    """What could not be run: an error, or records of it where other settings can be measured."""

    def __init__(self, tolerant: bool) -> None:
        self.records: list[Failure] = []
        self._tolerant = tolerant

    def sift(self, entrants: list[Entrant], step: Callable[[Entrant], None]) -> list[Entrant]:
        """Let all do a step; return those who could."""
        outcomes = [self._attempt(entrant, step) for entrant in entrants]
        able = [entrant for entrant, error in zip(entrants, outcomes, strict=True) if error is None]
        if not able and outcomes[0] is not None:
            raise outcomes[0]
        return able

    def _attempt(self, entrant: Entrant, step: Callable[[Entrant], None]) -> BenchmarkError | None:
        try:
            step(entrant)
        except BenchmarkError as error:
            if not self._tolerant:
                raise
            how = entrant.configuration
            name = entrant.interpreter or how.interpreter or ""
            self.records.append(Failure(str(entrant.path), how.threads, how.delegate, name, str(error)))
            return error
        return None


def _clock(*entrants: Entrant) -> str:
    return "cpu" if all(entrant.configuration.threads == 1 for entrant in entrants) else "wall"


def _result(entrant: Entrant, first: Entrant, packed: dict[Path, int]) -> ModelResult:
    return ModelResult(
        model=str(entrant.path),
        file_bytes=entrant.path.stat().st_size,
        gzip_bytes=packed[entrant.path],
        latency=latency(entrant.init_ns, entrant.warmup_ns, entrant.samples),
        memory=Memory(**entrant.child.ask("memory", "reading its memory")),
        speedup=None if entrant is first else speedup(first.samples, entrant.samples, _clock(first, entrant)),
        threads=entrant.configuration.threads,
        delegate=entrant.configuration.delegate,
        interpreter=entrant.interpreter,
        versions=entrant.versions,
        delegation=entrant.delegation,
    )
