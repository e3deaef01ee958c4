"""What can be said about a sparse export before it is made: where it is useless, and where it fails on the device."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfprune.errors import InputError

__all__ = ["check_sparse", "pooled_head", "sparsest_kernel"]

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
    heads = pooled_head(model)
    if heads and quantize in (None, "float16"):
        return [
            f"The sparse model may fail to load on ARM: the convolution {heads[0]!r} follows a global pooling that "
            "keeps its dimensions. Replace that head by pooling without keepdims and a Dense layer."
        ]
    return []


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


def pooled_head(model: Any) -> list[str]:
    """Return the 1×1 convolutions that directly follow a global pooling with keepdims and lead on to the outputs.

    A squeeze-and-excitation block, whose result is multiplied back into its input, is fine and not listed.
    """
    import keras

    if not isinstance(model, keras.Model) or not getattr(model, "operations", None):
        return []
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.GlobalAveragePooling2D) and layer.keepdims:
            chain = _chain_after(layer)
            convolutions = [op.name for op in chain if isinstance(op, keras.layers.Conv2D)]
            if convolutions and not any(isinstance(op, keras.layers.Multiply) for op in chain):
                found += convolutions
    return found


def _chain_after(layer: Any) -> list[Any]:
    """Return every operation after `layer`, in breadth-first order."""
    found: list[Any] = []
    waiting = [layer]
    while waiting:
        for node in waiting.pop(0)._outbound_nodes:
            if node.operation not in found:
                found.append(node.operation)
                waiting.append(node.operation)
    return found


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
