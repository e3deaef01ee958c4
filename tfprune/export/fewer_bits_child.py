"""Runs ai-edge-quantizer in a process of its own: `python -m tfprune.export.fewer_bits_child <folder>`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.export.process import answer_in

__all__ = ["main"]


def main(folder: Path) -> None:
    """Quantise, and leave an answer or an error."""
    answer_in(folder, lambda: quantize(folder))


def quantize(folder: Path) -> dict[str, Any]:
    """Quantise as `settings.json` in a folder says, calibrated on `data.npz` beside it."""
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    settings = json.loads((folder / "settings.json").read_text())
    work = quantizer.Quantizer(settings["source"])
    every = qtyping.TFLOperationName.ALL_SUPPORTED
    for pattern, bits in [(".*", settings["bits"]), *settings["layers"]]:
        if bits is None:
            work.update_quantization_recipe(pattern, every, algorithm_key=AlgorithmName.NO_QUANTIZE)
        elif settings["activations"] == "dynamic":
            work.add_dynamic_config(pattern, every, bits)
        elif settings["activations"] == "float":
            work.add_weight_only_config(pattern, every, bits)
        else:
            work.add_static_config(pattern, every, 16 if settings["activations"] == "int16" else 8, bits)
    calibration: Any = None
    if work.need_calibration:
        with np.load(folder / "data.npz", allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        calibration = ranges(work, arrays)
    done = work.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
    Path(settings["out"]).write_bytes(bytes(done.quantized_model))
    return {"out": settings["out"]}


def ranges(work: Any, arrays: dict[str, Any]) -> dict[str, Any]:
    """Return the smallest and largest value of each tensor over all samples.

    Left to itself ai-edge-quantizer takes moving averages of these, which cuts off what only some samples reach.
    """
    found: dict[str, Any] = {}
    for at in range(min(map(len, arrays.values()))):
        row = {name: values[at : at + 1] for name, values in arrays.items()}
        for tensor, seen in work.calibrate({"serving_default": [row]}, num_threads=1).items():
            before = found.setdefault(tensor, dict(seen))
            if "min" in seen and "max" in seen:
                before["min"] = np.minimum(before["min"], seen["min"])
                before["max"] = np.maximum(before["max"], seen["max"])
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
