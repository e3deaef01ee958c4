"""What a .tflite file of any origin holds, read in a process of its own."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfprune.benchmark.flatbuffer import operator_names, read_model, tensor_types
from tfprune.benchmark.model_file import check_model_file
from tfprune.export.memory import Activation, Peak, find_peak
from tfprune.export.process import answer_in, run_module
from tfprune.export.result import TensorInfo
from tfprune.export.stored import Stored, read_stored
from tfprune.files import PathLike

__all__ = ["Inspected", "inspect_file"]

TIMEOUT = 60.0
MODULE = "tfprune.export.inspection"


@dataclass(frozen=True)
class Inspected:
    """The facts about a .tflite file.

    Args:
        path: The file.
        bytes: Its size.
        sha256: Its hash.
        signature: The name of its first signature, or None.
        stored: Its inputs, outputs, operations and weights.
        dynamic: The operations that read 8-bit weights and compute in float.
        peak: Where it needs most memory for activations.
    """

    path: Path
    bytes: int
    sha256: str
    signature: str | None
    stored: Stored
    dynamic: tuple[str, ...]
    peak: Peak | None


def inspect_file(path: PathLike, *, timeout: float = TIMEOUT) -> Inspected:
    """Return what a .tflite file holds.

    Args:
        path: The file; it may be damaged.
        timeout: Seconds that reading it may take.

    Raises:
        InputError: If it is no .tflite file.
        BenchmarkError: If it can't be read: it is damaged.

    Example:
        >>> found = inspect_file("dense.tflite")
        >>> found.stored.operations["CONV_2D"], found.signature
        (3, 'serving_default')
    """
    found = check_model_file(path)
    with tempfile.TemporaryDirectory(prefix="tfprune-inspect-") as scratch:
        folder = Path(scratch)
        (folder / "job.json").write_text(json.dumps({"path": str(found)}), encoding="utf-8")
        answer = run_module(MODULE, folder, timeout, f"{path} can't be read")
    return restored(found, answer)


def restored(path: Path, answer: dict[str, Any]) -> Inspected:
    """Return what the process that read a file has answered."""
    peak = answer["peak"]
    return Inspected(
        path=path,
        bytes=int(answer["bytes"]),
        sha256=str(answer["sha256"]),
        signature=answer["signature"],
        stored=_stored(answer["stored"]),
        dynamic=tuple(answer["dynamic"]),
        peak=None if peak is None else Peak(**{**peak, "tensors": tuple(map(_activation, peak["tensors"]))}),
    )


def _stored(plain: dict[str, Any]) -> Stored:
    tensors = {
        name: tuple(TensorInfo(**{**one, "shape": tuple(one["shape"])}) for one in plain[name])
        for name in ("inputs", "outputs")
    }
    lists = {name: tuple(plain[name]) for name in ("float_operations", "weight_dtypes")}
    return Stored(**{**plain, **tensors, **lists})


def _activation(plain: dict[str, Any]) -> Activation:
    return Activation(**{**plain, "shape": tuple(plain["shape"])})


def read(path: Path) -> dict[str, Any]:
    """Read a file, and return what is known of it as JSON can hold it. Only for the process that is made for it."""
    content = path.read_bytes()
    model = read_model(content)
    peak = find_peak(model)
    signatures = model.signatureDefs or []
    key = signatures[0].signatureKey if signatures else None
    return {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "signature": key.decode("utf-8", "replace") if isinstance(key, bytes) else key,
        "stored": asdict(read_stored(content)),
        "dynamic": _dynamic(model),
        "peak": None if peak is None else asdict(peak),
    }


def _dynamic(model: Any) -> list[str]:
    """Return the operations with a constant of 8 bits that compute in float."""
    types, names = tensor_types(), operator_names()
    plumbing = {"DEQUANTIZE", "GATHER", "EMBEDDING_LOOKUP"}
    found = []
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            code = model.operatorCodes[operator.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
            outputs = [graph.tensors[index] for index in operator.outputs if index >= 0]
            small = any(types[t.type] in ("int8", "int4") and model.buffers[t.buffer].data is not None for t in inputs)
            if small and name not in plumbing and all(types[t.type] == "float32" for t in outputs):
                found.append(name)
    return sorted(set(found))


def main(folder: Path) -> None:
    """Read the file that the job in `folder` names."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    answer_in(folder, lambda: read(Path(job["path"])))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
