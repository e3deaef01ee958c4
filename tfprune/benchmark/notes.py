"""What a reader has to know to trust the times of a report."""

from __future__ import annotations

from tfprune.benchmark.records import Environment

__all__ = ["notes"]


def notes(environment: Environment, sparse: bool) -> tuple[str, ...]:
    """Return sentences about a machine and the models on it.

    Args:
        environment: Where the models ran.
        sparse: Whether a file stores zeros sparsely, as XNNPACK's sparse convolutions need it.

    Example:
        >>> where = tfprune.benchmark.Environment("cpu", 1, "litert", {}, "Linux", "cpu", ("neon",), 4, 9.0)
        >>> notes(where, sparse=True)
        ('The machine was busy: trust the speed-ups and the CPU times rather than the wall times.',)
    """
    found = []
    if sparse and "avx" in environment.cpu_flags:
        found.append(
            "This CPU has AVX, with which XNNPACK's sparse convolutions can't engage: zeros bring them no speed here. "
            "For phones 1.2-2.4x has been published (Google, 2021); that is not measured here."
        )
    busy = environment.load_average is not None and environment.cores is not None
    if busy and environment.load_average > environment.cores:  # type: ignore[operator]
        found.append("The machine was busy: trust the speed-ups and the CPU times rather than the wall times.")
    return tuple(found)
