"""What LiteRT answers with its built-in kernels, which round as those of microcontrollers do."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import numpy as np

from tfprune.benchmark.runtime import find_runtime
from tfprune.benchmark.tensors import Array, Tensor, decode

__all__ = ["difference", "lite_outputs", "shape_of"]


def lite_outputs(
    path: str, samples: Sequence[Array], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> list[Array]:
    """Run a file without XNNPACK, sample by sample.

    Args:
        path: The file.
        samples: For each input as many values as the file takes, samples first, in its own type.
        inputs: The inputs in the order of the file.
        outputs: The outputs in the order of the file.

    Returns:
        One array for each output, samples first, quantised ones as real values.
    """
    runtime = find_runtime().interpreter
    resolvers = importlib.import_module(runtime.__module__).OpResolverType
    interpreter = runtime(
        model_path=path, num_threads=1,
        experimental_op_resolver_type=resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )  # fmt: skip
    interpreter.allocate_tensors()
    places = [details["index"] for details in interpreter.get_input_details()]
    found: list[list[Array]] = [[] for _ in outputs]
    for number in range(len(samples[0])):
        for place, values, tensor in zip(places, samples, inputs, strict=True):
            interpreter.set_tensor(place, values[number].reshape(shape_of(tensor)))
        interpreter.invoke()
        for details, tensor, parts in zip(interpreter.get_output_details(), outputs, found, strict=True):
            parts.append(np.array(decode(interpreter.get_tensor(details["index"]), tensor)))
    return [np.concatenate(parts) for parts in found]


def difference(mine: Sequence[Array], theirs: Sequence[Array], outputs: Sequence[Tensor]) -> tuple[float, float | None]:
    """Return the largest difference of two sets of outputs, and the largest in steps of quantisation.

    Example:
        >>> y = Tensor("y", "y", 0, (1, 2), "int8", 0.5)
        >>> difference([np.array([[1.0, 2.0]])], [np.array([[1.0, 2.5]])], [y])
        (0.5, 1.0)
    """
    largest, steps = 0.0, []
    for left, right, tensor in zip(mine, theirs, outputs, strict=True):
        apart = float(np.abs(left.astype(np.float64) - right.astype(np.float64)).max(initial=0.0))
        apart = apart if np.isfinite(apart) else float("inf")
        largest = max(largest, apart)
        if tensor.scale:
            steps.append(round(apart / tensor.scale, 3))
    return largest, max(steps, default=None)


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of one batch of one sample."""
    return (1, *(int(axis or 1) for axis in tensor.shape[1:]))
