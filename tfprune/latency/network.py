"""How long a network takes: the sum of its operations, each timed alone, scaled to what the whole network takes."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.cost.operation import Operation
from tfprune.errors import BenchmarkError
from tfprune.graph import Graph
from tfprune.inputs.samples import random_samples
from tfprune.inputs.signature import signature_of
from tfprune.latency.parts import parts_of
from tfprune.latency.table import LatencyTable

__all__ = ["NetworkLatency", "measured_latency"]

Array = NDArray[Any]

FRACTIONS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
"""Operations are timed with these parts of their channels; in between it is interpolated."""

WIDEST = 16
"""The largest multiple of channels that is looked at."""

NO_LONGER = 1.02
"""Up to this factor the noise of a measurement reaches."""

CALIBRATION = 8
"""Random samples that an int8 file is calibrated with."""

MULTIPLE = 8
"""In multiples of this, as kernels work on so many channels at once."""


class NetworkLatency:
    """The latency of a network, whole or with something removed or replaced: one sample, this machine.

    It is that of the file that stores as the operations of the table do.

    Args:
        graph: The network.
        table: What single operations take.
        measured: What the whole network takes, in milliseconds; it is exported and measured if None.
        progress: Whether to show a progress bar on a terminal.

    Raises:
        BenchmarkError: If none of its operations could be timed.

    Attributes:
        parts: Its operations that take time.
        table: The table.
        measured: What the whole network takes.
    """

    def __init__(
        self, graph: Graph, table: LatencyTable, *, measured: float | None = None, progress: bool = False
    ) -> None:
        self.graph, self.table = graph, table
        self.parts = parts_of(graph)
        table.measure([part.operation for part in self.parts], progress=progress)
        self.measured = (
            measured_latency([graph.model], table.threads, table.quantize)[0] if measured is None else measured
        )
        if self.parts and not any(part.operation in table for part in self.parts):
            raise BenchmarkError(
                f"No operation of {graph.model.name!r} could be timed; is the machine very busy? Try again, or give a "
                "budget of macs."
            )
        self._progress = progress
        self._grids: dict[Operation, tuple[Array, Array, Array]] = {}

    @cached_property
    def scale(self) -> float:
        """What the whole network takes, over the sum of its operations timed alone."""
        total = sum(self.table.get(part.operation, 0.0) for part in self.parts)
        return self.measured / max(total, 1e-9)

    @property
    def quantize(self) -> str | None:
        """Which file's latency that is: None for float32, or `"int8"`."""
        return self.table.quantize

    def of(self, operations: Sequence[Operation]) -> float:
        """Return what operations take in this network, in milliseconds; infinitely long what this runtime can't run."""
        self.table.measure(operations)
        return self.scale * sum(self.table.get(one, np.inf) for one in operations)

    def prepare(self) -> None:
        """Time the operations that can lose channels with fewer of them."""
        wanted = {part.operation for part in self.parts if part.inputs or part.outputs}
        grids = {operation: grid_of(operation) for operation in wanted if operation in self.table}
        every = [one for operation, (ins, outs) in grids.items() for row in cut(operation, ins, outs) for one in row]
        self.table.measure(every, progress=self._progress)
        for operation, (ins, outs) in grids.items():
            values = [[self.table.get(one, self.table[operation]) for one in row] for row in cut(operation, ins, outs)]
            self._grids[operation] = ins, outs, np.array(values)

    def cost(self, kept: Array) -> float:
        """Return what the network takes when some labels are kept, or a part of each, in milliseconds."""
        total = 0.0
        for part in self.parts:
            if part.operation in self._grids:
                ins, outs, values = self._grids[part.operation]
                total += interpolate(ins, outs, values, *part.channels(kept))[0]
            elif part.operation in self.table:
                total += self.table[part.operation]
        return self.scale * total

    def exact(self, kept: NDArray[np.bool_]) -> float:
        """Return the same with the very operations that are left timed, not interpolated."""
        operations = []
        for part in self.parts:
            if part.operation in self.table:
                ins, outs = (max(round(count), 1) for count in part.channels(kept))
                operations.append(part.operation.with_channels(ins, outs))
        self.table.measure(operations, progress=self._progress)
        return self.scale * sum(self.table.get(one, 0.0) for one in operations)

    def multiple(self, most: int = 16) -> int:
        """Return of which number the channels should be a multiple, so that they take no longer than fewer.

        That is the largest power of two for which the costliest operation takes no longer on average with its outputs
        rounded up.

        Args:
            most: It is no more than this.
        """
        usable = [part.operation for part in self.parts if part.outputs and part.operation.kind == "convolution"]
        usable = [one for one in usable if one in self.table and one.groups == 1 and one.outputs >= 2 * WIDEST]
        if not usable:
            return 1
        operation = max(usable, key=lambda one: self.table[one])
        counts = range(operation.outputs - WIDEST + 1, operation.outputs + 1)
        of_size = {n: operation.with_channels(operation.inputs, n) for n in counts}
        self.table.measure(of_size.values(), progress=self._progress)
        times = {n: self.table[one] for n, one in of_size.items() if one in self.table}
        if len(times) < WIDEST:
            return 1
        mean = sum(times.values()) / WIDEST
        step = WIDEST
        while step > 1 and sum(times[-(-n // step) * step] for n in counts) / WIDEST > NO_LONGER * mean:
            step //= 2
        return int(min(step, 2 ** int(math.log2(max(most, 1)))))

    def shares(self, kept: Array) -> NDArray[np.float64]:
        """Return what removing one more channel saves, in milliseconds, float (labels,); as `CostModel.shares`."""
        found = np.zeros(len(kept))
        for part in self.parts:
            if part.operation not in self._grids:
                continue
            ins, outs, values = self._grids[part.operation]
            channels = part.channels(kept)
            slopes = interpolate(ins, outs, values, *channels)[1:]
            for axes, count, slope in zip((part.inputs, part.outputs), channels, slopes, strict=True):
                for labels in axes:
                    left = max(float(np.sum(kept[labels])), 1e-9)
                    np.add.at(found, labels, self.scale * slope * count / left)
        return self.graph.gathered(np.where(kept, found, 0.0))


def grid_of(operation: Operation) -> tuple[Array, Array]:
    """Return the numbers of input and output channels to time an operation with."""
    found = []
    for count in (operation.inputs, operation.outputs):
        sizes = {max(1, round(count * part)) for part in FRACTIONS}
        whole = {max(size // MULTIPLE * MULTIPLE, 1) for size in sizes if count > 2 * MULTIPLE} or sizes
        found.append(np.array(sorted({1, *whole, count}), dtype=float))
    if operation.kind == "depthwise" or operation.groups > 1:
        groups = operation.groups
        found = [np.unique(np.maximum(sizes // groups * groups, groups)) for sizes in found]
    if operation.kind in ("depthwise", "elementwise"):
        found[0] = found[0][-1:]
    return found[0], found[1]


def cut(operation: Operation, ins: Array, outs: Array) -> list[list[Operation]]:
    """Return an operation with other numbers of channels."""
    if operation.kind in ("depthwise", "elementwise"):
        each = operation.outputs // operation.inputs
        return [[operation.with_channels(int(n) // each or 1, int(n) // each * each or each) for n in outs]]
    return [[operation.with_channels(int(a), int(b)) for b in outs] for a in ins]


def interpolate(ins: Array, outs: Array, values: Array, a: float, b: float) -> tuple[float, float, float]:
    """Return a bilinear interpolation and its slopes along both axes; slopes are those below the point."""
    i, part_a, step_a = place(ins, a)
    j, part_b, step_b = place(outs, b)
    low = values[i] if len(ins) == 1 else (1 - part_a) * values[i] + part_a * values[i + 1]
    value = low[j] if len(outs) == 1 else (1 - part_b) * low[j] + part_b * low[j + 1]
    slope_b = 0.0 if len(outs) == 1 else (low[j + 1] - low[j]) / step_b
    slope_a = 0.0
    if len(ins) > 1:
        rise = values[i + 1] - values[i]
        slope_a = (rise[j] if len(outs) == 1 else (1 - part_b) * rise[j] + part_b * rise[j + 1]) / step_a
    return float(value), float(max(slope_a, 0.0)), float(max(slope_b, 0.0))


def place(sizes: Array, value: float) -> tuple[int, float, float]:
    """Return between which sizes a value is, how far, and how far apart they are."""
    if len(sizes) == 1:
        return 0, 0.0, 1.0
    index = int(np.clip(np.searchsorted(sizes, value, side="left") - 1, 0, len(sizes) - 2))
    step = float(sizes[index + 1] - sizes[index])
    return index, float(np.clip((value - sizes[index]) / step, 0.0, 1.0)), step


def measured_latency(models: Sequence[keras.Model], threads: int = 1, quantize: str | None = None) -> list[float]:
    """Return what models take with the interpreter, in milliseconds: the 5th percentile of many runs, taking turns.

    Args:
        models: Keras models.
        threads: Threads of the interpreter. With one it is CPU time, which others on the machine hardly disturb.
        quantize: How each is exported: None as float32, or `"int8"`, calibrated with random numbers, as time does not
            depend on values.
    """
    import tfprune.benchmark
    from tfprune.export import to_tflite

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.tflite" for number in range(len(models))]
        for model, path in zip(models, paths, strict=True):
            samples = None if quantize is None else random_inputs(model)
            to_tflite(model, path, quantize=quantize, representative_data=samples, verify=False)
        found = tfprune.benchmark.run(paths, threads=threads, runs=20, min_seconds=0.5, warmup_seconds=0.1)
    return [one.latency.steady_ms(threads) for one in found]


def random_inputs(model: keras.Model) -> tuple[Array, ...]:
    """Return random inputs of a model, which it accepts as tokens where it looks them up."""
    sizes = [layer.input_dim for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)]
    return tuple(random_samples(signature_of(model), CALIBRATION, 0, min(sizes, default=None)))
