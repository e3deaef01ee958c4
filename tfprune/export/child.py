"""Conversions that calibrate, in a process of their own: the calibrator runs the model and can crash.

A recurrent layer that loops, for instance, ends int8 calibration in a segmentation fault, which would take a training
process with it.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.errors import ExportError
from tfprune.export.converter import Settings, convert
from tfprune.export.kept import run_converter, serve
from tfprune.inputs.samples import Arrays

__all__ = ["ConverterCrashError", "convert_in_child"]


class ConverterCrashError(ExportError):
    """The converter's process ended without an answer."""


def convert_in_child(folder: Path, settings: Settings, names: list[str], samples: Arrays, batch: int = 1) -> bytes:
    """Convert the SavedModel in `folder` / "saved" in a child process.

    Args:
        folder: A scratch folder.
        settings: How to store the model.
        names: The names of the inputs.
        samples: The samples of each input.
        batch: How many samples to feed at once.

    Returns:
        The contents of the .tflite file.

    Raises:
        ConverterCrashError: If the process died.
        ExportError: If the converter raised; the message is the converter's.
    """
    arrays: dict[str, Any] = {f"input_{index}": array for index, array in enumerate(samples)}
    np.savez(folder / "samples.npz", **arrays)
    job = {"settings": asdict(settings), "names": names, "batch": batch}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    code, log = run_converter(folder)
    answer = folder / "model.tflite"
    if answer.exists():
        return answer.read_bytes()
    said = folder / "error.txt"
    if said.exists():
        raise ExportError(said.read_text(encoding="utf-8"))
    raise ConverterCrashError(f"{_ending(code)}. Its last words: {log.strip()[-300:] or 'none'}")


def _ending(code: int) -> str:
    if code >= 0:
        return f"The converter's process ended with exit code {code}"
    return f"TensorFlow's converter crashed ({signal.Signals(-code).name})"


def preload() -> None:
    """Load what a conversion needs, as far as TensorFlow loads it late."""
    import tensorflow as tf

    _ = tf.lite.TFLiteConverter, tf.saved_model.load
    gc.collect()
    gc.freeze()  # each conversion collects garbage: without this, what was imported would be looked through, and copied


def main(folder: Path) -> None:
    """Convert the model in `folder`; what comes out, file or error, is left there."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    with np.load(folder / "samples.npz", allow_pickle=False) as stored:
        samples = {name: stored[f"input_{index}"] for index, name in enumerate(job["names"])}
    try:
        content = convert(folder / "saved", Settings(**job["settings"]), samples, job["batch"])
    except Exception as error:
        (folder / "error.txt").write_text(str(error), encoding="utf-8")
        sys.exit(3)
    unfinished = folder / "model.part"
    unfinished.write_bytes(content)
    unfinished.rename(folder / "model.tflite")


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        preload()
        serve(main)
    else:
        main(Path(sys.argv[1]))
