"""Models of other backends than TensorFlow: their inference graph is saved by TensorFlow, in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfprune.errors import BenchmarkError, ExportError, InputError
from tfprune.export.process import answer_in, run_module
from tfprune.inputs.signature import InputSpec, Signature
from tfprune.loading import import_own_code, own_code

__all__ = ["save_by_tensorflow"]

MODULE = "tfprune.export.handover"
MODEL, JOB = "model.keras", "handover.json"
SECONDS = 600.0


def save_by_tensorflow(model: Any, signature: Signature, folder: Path) -> list[str]:
    """Do what `save_for_conversion` does, for a model that Keras runs on JAX or PyTorch.

    The model goes as a .keras file to a process in which Keras runs on TensorFlow. Classes of one's own are imported
    there, from the modules in which they are defined.

    Args:
        model: A built Keras model.
        signature: Its inputs, batch axis included.
        folder: A scratch folder; the SavedModel is in `folder` / "saved" afterwards.

    Returns:
        The names of the outputs.

    Raises:
        ExportError: If it can't be saved, or TensorFlow can't run it.
    """
    try:
        job = {
            "inputs": [[spec.name, spec.shape, spec.dtype] for spec in signature.inputs],
            "structure": plain(signature.structure),
            "own": own_code(model),
        }
        model.save(folder / MODEL)
        (folder / JOB).write_text(json.dumps(job), encoding="utf-8")
        answer = run_module(
            MODULE, folder, SECONDS, f"{model.name!r} can't be handed over to TensorFlow", KERAS_BACKEND="tensorflow"
        )
    except (BenchmarkError, InputError) as error:
        raise ExportError(str(error)) from error
    return [str(name) for name in answer["names"]]


def plain(structure: Any) -> Any:
    """Return a structure of inputs as JSON can hold it."""
    if isinstance(structure, Mapping):
        return {"dict": {str(key): plain(value) for key, value in structure.items()}}
    if isinstance(structure, list | tuple):
        return {type(structure).__name__: [plain(value) for value in structure]}
    return None


def restored(structure: Any) -> Any:
    """Return the structure that `plain` was given."""
    if structure is None:
        return 0
    ((kind, content),) = structure.items()
    if kind == "dict":
        return {key: restored(value) for key, value in content.items()}
    return (tuple if kind == "tuple" else list)(restored(value) for value in content)


def main(folder: Path) -> dict[str, Any]:
    """Save the model in a folder; runs in TensorFlow's process."""
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    own = import_own_code(job["own"])
    import keras

    from tfprune.export.trace import save_for_conversion

    # The file was written by the process that started this one: nothing foreign is loaded.
    model = keras.saving.load_model(folder / MODEL, custom_objects=own, compile=False, safe_mode=False)
    inputs = tuple(InputSpec(name, tuple(shape), dtype) for name, shape, dtype in job["inputs"])
    return {"names": save_for_conversion(model, Signature(inputs, restored(job["structure"])), folder / "saved")}


if __name__ == "__main__":
    answer_in(Path(sys.argv[1]), lambda: main(Path(sys.argv[1])))
