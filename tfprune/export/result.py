"""What an export gives back: sizes, inputs and outputs, and how well the file agrees with Keras."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfprune.files import PathLike
from tfprune.shown import Shown

__all__ = ["ExportResult", "Parity", "TensorInfo"]

SOURCES = {
    "parity_data": "the data given for it",
    "representative_data": "the calibration data",
    "random": "random data",
}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a .tflite file.

    Args:
        name: Its name in the signature.
        shape: Its shape; None is an open axis.
        dtype: What the file takes or gives: "float32", "int8", …
        scale: The real value of one integer step, or None if it is not quantised.
        zero_point: The integer that stands for 0.0.

    Example:
        >>> print(TensorInfo("image", (1, 28, 28, 1), "int8", scale=1 / 255, zero_point=-128))
        image: int8 [1 × 28 × 28 × 1], step 0.00392157, zero at -128
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    def __str__(self) -> str:
        shape = " × ".join("?" if axis is None else str(axis) for axis in self.shape) or "scalar"
        step = "" if self.scale is None else f", step {self.scale:.6g}, zero at {self.zero_point}"
        return f"{self.name}: {self.dtype} [{shape}]{step}"


@dataclass(frozen=True)
class Parity:
    """How a .tflite file compares with the Keras model it was made from.

    Args:
        source: Which data were used: "parity_data", "representative_data" or "random".
        samples: How many samples.
        max_abs: The largest absolute difference over all outputs.
        relative: The largest difference relative to the largest value of the same output.
        top1_agreement: The share of samples (of the worst output) for which the largest score is the same one, or
            None where no output looks like class scores.
        tolerance: The allowed `relative`, or None if it was only reported.

    Example:
        >>> print(Parity("random", samples=64, max_abs=0.0131, relative=0.014, top1_agreement=0.995))
        largest difference 0.0131 (1.40% of the output scale), same top class for 99.5%, on 64 samples of random data
    """

    source: str
    samples: int
    max_abs: float
    relative: float
    top1_agreement: float | None = None
    tolerance: float | None = None

    def __str__(self) -> str:
        top1 = "" if self.top1_agreement is None else f", same top class for {self.top1_agreement:.1%}"
        return (
            f"largest difference {self.max_abs:.3g} ({self.relative:.2%} of the output scale){top1}, "
            f"on {self.samples} samples of {SOURCES.get(self.source, self.source)}"
        )


@dataclass(frozen=True)
class ExportResult(Shown):
    """A finished export.

    Args:
        path: The .tflite file.
        bytes: Its size.
        gzip_bytes: Its size after gzip, about what a download transfers.
        quantize: How weights and activations are stored: None (float32), "float16", "dynamic", "int8" or "int16x8".
        sparse: Whether zeros are left out of the file.
        inputs: The inputs in the order of the file.
        outputs: The outputs in the order of the file.
        sparsity: The share of zeros among the stored weights (constants of two dimensions or more).
        parity: The comparison with Keras, or None if it was not made.
        sha256: The hash of the file.
        versions: The versions of what took part.
        notes: Remarks that matter for using the file.

    Example:
        >>> info = TensorInfo("x", (1, 4), "float32")
        >>> result = ExportResult(Path("m.tflite"), 2048, 1024, None, False, (info,), (info,), 0.0, None, "00", {})
        >>> result.to_dict()["bytes"]
        2048
    """

    path: Path
    bytes: int
    gzip_bytes: int
    quantize: str | None
    sparse: bool
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    sparsity: float
    parity: Parity | None
    sha256: str
    versions: dict[str, str]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain types that JSON can hold."""
        plain: dict[str, Any] = json.loads(json.dumps({**asdict(self), "path": str(self.path)}))
        return plain

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def __str__(self) -> str:
        kind = f"{self.quantize or 'float32'}{', sparse' if self.sparse else ''}"
        lines = [
            f"{self.path}: {self.bytes:,} bytes ({self.gzip_bytes:,} after gzip), {kind}",
            *[f"  input   {info}" for info in self.inputs],
            *[f"  output  {info}" for info in self.outputs],
            f"  zeros   {self.sparsity:.1%} of the stored weights",
            f"  parity  {self.parity or 'not checked'}",
            *[f"  note    {note}" for note in self.notes],
        ]
        return "\n".join(lines)

    def save_card(
        self,
        path: PathLike | None = None,
        *,
        extra: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write a model card: Markdown for people, and the same facts as JSON beside it.

        Args:
            path: The Markdown file; by default the artefact's path with ".md" appended. The JSON file has the same
                name with the suffix ".json".
            extra: More facts for the card, by name: how the model was trained, its accuracy, its latency.
            overwrite: Whether files that exist may be replaced.

        Returns:
            The path of the Markdown file.

        Raises:
            InputError: If a file exists and `overwrite` is False, or can't be written there.
        """
        from tfprune.export.card import write_card

        return write_card(self, path, extra=extra, overwrite=overwrite)
