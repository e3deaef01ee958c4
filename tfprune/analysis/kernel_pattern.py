"""Where the zeros of one kernel lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.analysis.partition import PatternFit, block_fit, n_m_fit
from tfprune.analysis.rendering import plain
from tfprune.granularity import NM, Block, KernelAxes

__all__ = ["PATTERNS", "KernelPattern", "look_at"]

FloatArray = NDArray[np.float64]

PATTERNS: tuple[str | tuple[int, int], ...] = ("1:4", "2:4", "4:8", (1, 4), (4, 1), (4, 4))
"""What is looked for by default."""

DENSE_BELOW = 0.01
"""A kernel with fewer zeros than this has no pattern."""

CLEAR_SURPRISE = 10.0
"""A pattern counts if it would be met by chance less often than `exp(−10)`, 0.005 %."""


@dataclass(frozen=True)
class KernelPattern:
    """Where the zeros of a kernel lie, seen as a matrix (window positions, outputs, inputs), as the runtime stores it.

    Args:
        path: Path of the kernel.
        shape: Its shape.
        sparsity: Share of zeros.
        rows: Share of zeros of each output channel, float (outputs,).
        columns: Share of zeros of each input channel, float (inputs,); of depthwise kernels one number.
        positions: Share of zeros at each position of the window, float (positions,).
        zero_filters: Numbers of the output channels without a weight.
        unread_inputs: Numbers of the input channels that nothing is multiplied with.
        fits: How near it is to patterns: "2:4", "1×4" (outputs × inputs), "filter", "input", "position", "kernel" (the
            window of one output and input), by name; those that it is too small for are left out.
    """

    path: str
    shape: tuple[int, ...]
    sparsity: float
    rows: FloatArray = field(repr=False)
    columns: FloatArray = field(repr=False)
    positions: FloatArray = field(repr=False)
    zero_filters: tuple[int, ...]
    unread_inputs: tuple[int, ...]
    fits: Mapping[str, PatternFit] = field(repr=False)

    @property
    def size(self) -> int:
        """Number of weights."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def pattern(self) -> str:
        """The name of the exact pattern that is least likely to be chance; "dense", "unstructured" or "zero" else."""
        if self.sparsity == 1:
            return "zero"
        if self.sparsity < DENSE_BELOW:
            return "dense"
        name, fit = max(self.fits.items(), key=lambda item: item[1].surprise, default=("", None))
        return name if fit is not None and fit.surprise > CLEAR_SURPRISE else "unstructured"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        fits = {name: asdict(fit) for name, fit in self.fits.items()}
        values = {**vars(self), "pattern": self.pattern, "fits": fits}
        return {key: plain(value) for key, value in values.items()}


def look_at(
    path: str, values: NDArray[Any], axes: KernelAxes, patterns: Sequence[str | tuple[int, int]] = PATTERNS
) -> KernelPattern:
    """Return where the zeros of a kernel lie.

    Args:
        path: Its path.
        values: Its values.
        axes: Which of its axes are channels.
        patterns: N:M patterns, such as `"2:4"`, and blocks (outputs, inputs), such as `(1, 4)`.
    """
    from tfprune import granularity

    matrix: NDArray[Any] = axes.to_matrix(values)
    zero: NDArray[np.bool_] = matrix == 0
    found: dict[str, PatternFit | None] = {}
    for each in patterns:
        wanted = granularity.get(each)
        if isinstance(wanted, NM):
            found[f"{wanted.n}:{wanted.m}"] = n_m_fit(matrix, wanted.n, wanted.m)
        elif isinstance(wanted, Block):
            fits = wanted.inputs <= matrix.shape[2] and wanted.outputs <= matrix.shape[1]
            sizes = (1, wanted.outputs, wanted.inputs)
            found[f"{wanted.outputs}×{wanted.inputs}"] = block_fit(matrix, sizes) if fits else None
    found["filter"] = block_fit(matrix, (None, 1, None))
    if matrix.shape[2] > 1:
        found["input"] = block_fit(matrix, (None, None, 1))
        found["kernel"] = block_fit(matrix, (None, 1, 1)) if matrix.shape[0] > 1 else None
    found["position"] = block_fit(matrix, (1, None, None)) if matrix.shape[0] > 1 else None
    return KernelPattern(
        path,
        tuple(values.shape),
        float(zero.mean()),
        zero.mean(axis=(0, 2)),
        zero.mean(axis=(0, 1)),
        zero.mean(axis=(1, 2)),
        tuple(np.flatnonzero(zero.all(axis=(0, 2))).tolist()),
        tuple(np.flatnonzero(zero.all(axis=(0, 1))).tolist()) if axes.inputs else (),
        {name: fit for name, fit in found.items() if fit is not None},
    )
