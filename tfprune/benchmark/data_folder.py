"""Arrays on their way between processes: .npy files in a temporary folder, never pickles."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.benchmark.tensors import Array
from tfprune.errors import BenchmarkError, InputError

__all__ = ["DataFolder", "Inputs", "data_folder"]

Inputs = Any  # an array, a sequence of arrays, or a mapping of input name to array: whatever np.asarray takes

_KINDS = "biuf"


@dataclass(frozen=True)
class DataFolder:
    """A temporary folder with arrays, and what a worker has to know about them."""

    path: Path
    count: int
    names: list[str] | None
    samples: int

    def message(self) -> dict[str, Any]:
        """Return what is sent to a worker."""
        return {"folder": str(self.path), "count": self.count, "names": self.names}

    def read(self, count: int) -> list[Array]:
        """Return the arrays that a worker wrote."""
        try:
            return [np.load(self.path / "out" / f"{i}.npy", allow_pickle=False) for i in range(count)]
        except (OSError, ValueError) as error:
            raise BenchmarkError(
                f"The outputs can't be read back ({error}); check the space in {self.path}."
            ) from error


@contextlib.contextmanager
def data_folder(inputs: Inputs) -> Iterator[DataFolder]:
    """Save inputs to a temporary folder that is removed at the end of the block.

    Args:
        inputs: An array for a model with one input; else a list or tuple with one array for each input, or a mapping
            of input names to arrays. The first axis of each is the samples.

    Raises:
        InputError: If they are no arrays of numbers, empty, or of different lengths.
    """
    names, arrays = _named(inputs)
    for i, values in enumerate(arrays):
        called = repr(names[i]) if names else f"number {i}"
        if values.dtype.kind not in _KINDS:
            raise InputError(f"Input {called} is an array of {values.dtype}; give numbers or booleans.")
        if values.ndim == 0 or len(values) == 0:
            raise InputError(f"Input {called} holds no samples (shape {values.shape}); its first axis is the samples.")
    lengths = sorted({len(values) for values in arrays})
    if len(lengths) != 1:
        raise InputError(f"The inputs have {lengths or 'no'} samples; give the same number for each.")
    with contextlib.ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfprune-")))
            (folder / "out").mkdir()
            for i, values in enumerate(arrays):
                np.save(folder / f"{i}.npy", values, allow_pickle=False)
        except OSError as error:
            where = tempfile.gettempdir()
            raise BenchmarkError(f"The data can't be saved in {where} ({error}); make room, or set TMPDIR.") from error
        yield DataFolder(folder, len(arrays), names, lengths[0])


def _named(inputs: Inputs) -> tuple[list[str] | None, list[Array]]:
    try:
        if isinstance(inputs, Mapping):
            return [str(name) for name in inputs], [np.asarray(values) for values in inputs.values()]
        if isinstance(inputs, Sequence) and not isinstance(inputs, str | bytes):
            return None, [np.asarray(values) for values in inputs]
        return None, [np.asarray(inputs)]
    except (TypeError, ValueError) as error:
        raise InputError(f"The inputs can't be made arrays ({error}); give NumPy arrays.") from error
