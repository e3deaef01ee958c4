"""`inspect`: what a .tflite file takes, gives and consists of, read in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tfprune.benchmark.child import Child
from tfprune.benchmark.model_file import PathLike, check_model_file
from tfprune.benchmark.settings import check_number
from tfprune.benchmark.tensors import Tensor

__all__ = ["Description", "inspect"]


@dataclass(frozen=True)
class Description:
    """What a .tflite file takes, gives and consists of.

    Args:
        model: The path of the file.
        file_bytes: Its size.
        inputs: Its inputs, in the file's order.
        outputs: Its outputs, in the order of the Keras model if the file tells it.
        operations: How often each operation occurs, the most frequent first; empty if the interpreter can't tell.

    Example:
        >>> image, scores = (Tensor(name, name, n, shape, "float32") for n, (name, shape) in
        ...                  enumerate([("image", (1, 28, 28, 1)), ("scores", (1, 10))]))
        >>> found = Description("net.tflite", 85_140, (image,), (scores,), {"CONV_2D": 3, "FULLY_CONNECTED": 1})
        >>> found.inputs[0].shape, found.operations["CONV_2D"]
        ((1, 28, 28, 1), 3)
    """

    model: str
    file_bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the description as dicts, lists, numbers and strings."""
        content = asdict(self)
        return {**content, "inputs": list(content["inputs"]), "outputs": list(content["outputs"])}


def inspect(path: PathLike, timeout: float | None = None) -> Description:
    """Read the inputs, outputs and operations of a .tflite file without running it.

    Args:
        path: The .tflite file.
        timeout: Seconds that reading it may take; None for 60.

    Returns:
        A description.

    Raises:
        InputError: If the file is no .tflite file.
        BenchmarkError: If it can't be read.

    Example:
        >>> tfprune.benchmark.inspect("small.tflite").inputs[0].shape
        (1, 28, 28, 1)
    """
    model = check_model_file(path)
    if timeout is not None:
        check_number("timeout", timeout, 1e-6)
    with Child(model, timeout) as child:
        child.hello()
        found = child.ask("describe", "reading it", path=str(model))
    inputs, outputs = (
        tuple(Tensor(**{**tensor, "shape": tuple(tensor["shape"])}) for tensor in found[side])
        for side in ("inputs", "outputs")
    )
    return Description(str(model), model.stat().st_size, inputs, outputs, found["operations"])
