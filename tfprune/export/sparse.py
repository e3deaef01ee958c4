"""Sparse files: where they are useless, and where they fail or lie on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import ExportError, InputError
from tfprune.targets import Target

__all__ = ["check_loadable", "check_sparse", "sparsest_kernel", "storage"]

ENOUGH = 0.3  # under this share of zeros the converter stores a tensor dense


def check_sparse(model: Any, quantize: str | None) -> list[str]:
    """Refuse a sparse export that would change nothing or that the runtime can't load.

    Args:
        model: A built Keras model.
        quantize: How the weights will be stored.

    Returns:
        Remarks for the result: what may fail elsewhere.

    Raises:
        InputError: If no kernel is sparse, or for dynamic-range quantisation of convolutions.
    """
    import keras

    name, share = sparsest_kernel(model)
    if share < ENOUGH:
        seen = f"its sparsest kernel, {name}, has {share:.0%} zeros" if name else "it has no kernels"
        raise InputError(
            f"sparse=True has nothing to store sparsely in {model.name!r}: {seen} (about {ENOUGH:.0%} is the least "
            "that pays). Prune the model first, or leave sparse out."
        )
    convolutions = _names_of(model, _convolutions(keras))
    if quantize == "dynamic" and convolutions:
        raise InputError(
            f"Sparse weights with quantize='dynamic' fail to load where there are convolutions ({convolutions[0]!r}); "
            "use quantize='float16' or None with sparse=True, or quantize='dynamic' or 'int8' without it."
        )
    if quantize in ("int8", "int16x8"):
        return ["After gzip, as in a download, leaving zeros out of an 8-bit file makes it no smaller."]
    return []


def check_loadable(content: bytes, target: Target | None, model: Any) -> list[str]:
    """Refuse a file that a device can't load, or computes wrong numbers with, and say what to do.

    Args:
        content: The contents of the file.
        target: The device; None for all but microcontrollers.
        model: The Keras model, for the names of its layers.

    Returns:
        Remarks on what older runtimes compute wrong.

    Raises:
        ExportError: If it is such a file.
    """
    from tfprune.xnnpack.failures import check_network
    from tfprune.xnnpack.network import read_network
    from tfprune.xnnpack.rules import namer
    from tfprune.xnnpack.steps import stepping_over

    known = [layer.name for layer in model._flatten_layers(include_self=False)]
    network = read_network(content)
    found = check_network(network, target, known)
    if not found:
        older = stepping_over(network, target, namer(network, known))
        return [f"{one.layer!r} {one.problem}; {one.mend}." for one in older]
    worst = found[0]
    where = f"on {target.name}" if target is not None else "on phones and other ARM devices"
    if worst.kind == "wrong":
        raise ExportError(
            f"With sparse weights this network would give wrong numbers {where}, without a message: {worst.layer!r} "
            f"{worst.problem}. Leave sparse out, or mend it: {worst.mend}. tfprune.lint(model) tells all; "
            "target='x86-cpu' exports it for PCs, where zeros are not skipped."
        )
    where = where if target is not None else "anywhere"
    raise ExportError(f"This file can't be loaded {where}: {worst.layer!r} {worst.problem}; {worst.mend}.")


def storage(model: Any, quantize: str | None, *, sparse: bool) -> str | None:
    """Return how weights are stored, None for float32; "auto" is that, but float16 if sparse and without blocks."""
    import keras

    if quantize != "auto":
        return None if quantize == "float32" else quantize
    if not sparse or not isinstance(model, keras.Model):
        return None
    dense = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dense) and layer.built]
    return None if any(in_blocks(np.asarray(layer.kernel)) for layer in dense) else "float16"


def in_blocks(kernel: NDArray[Any]) -> bool:
    """Whether at least half of a Dense kernel (inputs, outputs) is zero, in blocks of four inputs of one output.

    Example:
        >>> kernel = np.ones((8, 2))
        >>> kernel[:4, 0] = kernel[4:, 1] = 0
        >>> in_blocks(kernel)
        True
    """
    if kernel.ndim != 2 or kernel.shape[0] % 4:
        return False
    whole = ~kernel.reshape(kernel.shape[0] // 4, 4, -1).any(axis=1)
    return bool(whole.mean() >= 0.5 and whole.sum() * 4 >= 0.99 * (kernel == 0).sum())


def sparsest_kernel(model: Any) -> tuple[str | None, float]:
    """Return the name and the share of zeros of the kernel with the most zeros; only ranks 2 and 4 can be sparse."""
    import keras

    best: tuple[str | None, float] = (None, 0.0)
    for weight in model.weights:
        if len(weight.shape) not in (2, 4):
            continue
        value = np.asarray(keras.ops.convert_to_numpy(weight))
        share = 1.0 - np.count_nonzero(value) / max(value.size, 1)
        if best[0] is None or share > best[1]:
            best = (weight.path, float(share))
    return best


def _names_of(model: Any, kinds: Any) -> list[str]:
    return [layer.name for layer in model._flatten_layers() if isinstance(layer, kinds)]


def _convolutions(keras: Any) -> tuple[type, ...]:
    layers = keras.layers
    return (
        layers.Conv1D,
        layers.Conv2D,
        layers.Conv3D,
        layers.DepthwiseConv1D,
        layers.DepthwiseConv2D,
        layers.SeparableConv1D,
        layers.SeparableConv2D,
        layers.Conv1DTranspose,
        layers.Conv2DTranspose,
        layers.Conv3DTranspose,
    )
