"""What a reader has to know to trust the times of a report."""

from __future__ import annotations

from collections.abc import Sequence

from tfprune.benchmark.records import Environment, ModelResult

__all__ = ["notes"]

_DISTURBED = 1.1
"""How many times the CPU time of an inference goes by, in the median, where others hold the CPU."""


def notes(results: Sequence[ModelResult], environment: Environment, *, sparse: bool, int8: bool) -> tuple[str, ...]:
    """Return sentences about a machine and the models on it.

    Args:
        results: What was measured.
        environment: Where the models ran.
        sparse: Whether a file stores zeros sparsely, as XNNPACK's sparse convolutions need it.
        int8: Whether a file has int8 weights.

    Example:
        >>> where = tfprune.benchmark.Environment("cpu", 1, "litert", {}, "Linux", "cpu", ("neon",), 4, 9.0)
        >>> [note.split(":")[0] for note in notes([], where, sparse=True, int8=False)]
        ['The machine was busy']
    """
    found = []
    if sparse and "avx" in environment.cpu_flags:
        found.append(
            "This CPU has AVX, with which XNNPACK's sparse convolutions can't engage: zeros bring them no speed here. "
            "For phones 1.2-2.4x has been published (Google, 2021); that is not measured here."
        )
    if int8 and "avx" in environment.cpu_flags and not {"avx512_vnni", "avx_vnni"}.intersection(environment.cpu_flags):
        found.append(
            "This CPU has no instructions for int8 (AVX-512 VNNI or AVX-VNNI): an int8 file may be slower than its "
            "float32 one here, and faster on the device. Measure it there."
        )
    if _loaded(environment) or any(_waited(result) for result in results):
        found.append(
            "The machine was busy: wall times are too long. CPU times hold, and the speed-ups of one thread, as they "
            "are ratios of these."
        )
        if any(result.threads > 1 for result in results):
            found.append("Times and speed-ups of several threads are wall times: measure again when it is quiet.")
    return tuple(found)


def _loaded(environment: Environment) -> bool:
    load, cores = environment.load_average, environment.cores
    return load is not None and cores is not None and load > cores


def _waited(result: ModelResult) -> bool:
    times = result.latency
    return (
        result.threads == 1
        and times.cpu_median_ms is not None
        and times.median_ms > _DISTURBED * times.cpu_median_ms > 0
    )
