"""`predict`: what a .tflite model answers, computed in a process of its own."""

from __future__ import annotations

from tfprune.benchmark.child import Child
from tfprune.benchmark.data_folder import Inputs, data_folder
from tfprune.benchmark.model_file import PathLike, check_model_file
from tfprune.benchmark.settings import check_number
from tfprune.benchmark.tensors import Array

__all__ = ["predict"]

_STEP_SECONDS = 1.0


def predict(path: PathLike, inputs: Inputs, threads: int = 1, timeout: float | None = None) -> list[Array]:
    """Run a .tflite model on a batch of samples.

    Real numbers are quantised for a model that takes integers, and its integer outputs are turned back into float32;
    data that already has the input's integer type is taken as it is.

    Args:
        path: The .tflite file.
        inputs: An array whose first axis is the samples; for several inputs a mapping of names to arrays (the names
            of the Keras inputs), or a list in the order of `inspect(path).inputs`.
        threads: Threads of the interpreter.
        timeout: Seconds that one step (loading, one inference) may take; None for 60.

    Returns:
        One array for each output, in the order of the Keras model, samples first.

    Raises:
        InputError: If the file is no .tflite file or the inputs don't fit the model.
        BenchmarkError: If the model can't be run, crashes its process or exceeds the time limit.

    Example:
        >>> (probabilities,) = tfprune.benchmark.predict("small.tflite", x_test)
        >>> probabilities.argmax(-1).shape
        (8,)
    """
    model = check_model_file(path)
    check_number("threads", threads, 1, whole=True)
    if timeout is not None:
        check_number("timeout", timeout, 1e-6)
    with data_folder(inputs) as data, Child(model, timeout) as child:
        child.hello()
        child.ask("feed", "loading it", path=str(model), threads=threads, data=data.message())
        done = 0
        while done < data.samples:
            done = child.ask("predict", "running it", extra_seconds=_STEP_SECONDS, seconds=_STEP_SECONDS)["done"]
        count = child.ask("save", "saving its outputs", folder=str(data.path / "out"))["count"]
        return data.read(count)
