"""What fitting a network into a device gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from tfprune.export import ExportResult
from tfprune.files import PathLike, check_destination, write_atomically
from tfprune.micro.footprint import Footprint
from tfprune.micro.probe import Probe
from tfprune.shown import Shown
from tfprune.sizes import readable

__all__ = ["Fitted"]


@dataclass(frozen=True)
class Fitted(Shown):
    """A network that fits into a device.

    Args:
        model: The network: a plain Keras model; the given one if that fitted already.
        tflite: The contents of its int8 file, whose inputs and outputs are int8 too.
        path: Where that was written; None if nowhere.
        footprint: What it needs, measured.
        export: What the conversion has found, with the comparison with Keras; its path and that of the footprint are
            where the file was while it was measured.
        whole: What the given network needs.
        probes: All networks that were measured, in order, the given one first.
        agreement: How near its outputs were to the given network's before it was converted, in words; None if that
            fitted already.

    Example:
        >>> from dataclasses import replace
        >>> from tfprune.export import Parity
        >>> path, parity = Path("model.tflite"), Parity("random", 64, 0.01, 0.02)
        >>> needs = Footprint(path, 61_440, 20_480, 20_300, 17_408, 2_892, {}, (), (), 8, "given", 0, 0, None, {})
        >>> export = ExportResult(path, 61_440, 50_000, "int8", False, (), (), 0.0, parity, "", {})
        >>> whole = replace(needs, flash_bytes=122_880, arena_bytes=40_960)
        >>> fitted = Fitted(keras.Sequential(name="net"), b"", None, needs, export, whole, probes=(), agreement=None)
        >>> fitted.footprint.arena_bytes / fitted.whole.arena_bytes
        0.5
        >>> print(fitted)
        net: 61.4 kB of flash, 20.5 kB of RAM (the whole network: 122.9 kB, 41.0 kB)
          int8 beside Keras: largest difference 0.01 (2.00% of the output scale), on 64 samples of random data
    """

    model: keras.Model = field(repr=False)
    tflite: bytes = field(repr=False)
    path: Path | None
    footprint: Footprint
    export: ExportResult
    whole: Footprint
    probes: tuple[Probe, ...]
    agreement: str | None

    def save(self, path: PathLike, *, overwrite: bool = False) -> Path:
        """Write the .tflite file.

        Raises:
            InputError: If it exists and `overwrite` is False, or can't be written there.
        """
        destination = check_destination(path, overwrite=overwrite)
        write_atomically(destination, self.tflite)
        return destination

    def to_dict(self) -> dict[str, Any]:
        """Return what was measured as plain values, ready for JSON."""
        return {
            "path": None if self.path is None else str(self.path),
            "footprint": self.footprint.to_dict(),
            "whole": self.whole.to_dict(),
            "probes": [{**vars(probe), "over": dict(probe.over)} for probe in self.probes],
            "agreement": self.agreement,
        }

    def __str__(self) -> str:
        lines = [
            f"{self.model.name}: {readable(self.footprint.flash_bytes)} of flash, "
            f"{readable(self.footprint.arena_bytes)} of RAM (the whole network: {readable(self.whole.flash_bytes)}, "
            f"{readable(self.whole.arena_bytes)})",
            f"  int8 beside Keras: {self.export.parity}",
        ]
        return "\n".join([*lines, *([f"  {self.agreement}"] if self.agreement else [])])
