"""Batch normalisations that count anew what goes through them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import layers, tree

from tfprune.refit.execution import run
from tfprune.refit.forms import Array
from tfprune.refit.network import Network

__all__ = ["reestimate"]


def reestimate(network: Network, inputs: Sequence[int], samples: Sequence[Array], batch: int = 128) -> bool:
    """Give every batch normalisation the mean and variance of what it sees, averaged over batches.

    Each sees what those before it make of a batch with the statistics of that batch; all else runs as at inference.

    Args:
        network: The network; its moving averages change.
        inputs: Numbers of the tensors that are the model's inputs.
        samples: An array for each of them.
        batch: How many samples a batch has.

    Returns:
        Whether there is any batch normalisation.
    """
    norms = [layer for layer in network.model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    if not norms:
        return False
    outputs = list(tree.flatten(network.model.outputs))
    sums: dict[int, list[Array]] = {id(norm): [] for norm in norms}
    momenta = [norm.momentum for norm in norms]
    found = {id(norm): counted(norm) for norm in norms}
    weights = []
    try:
        for norm in norms:
            norm.momentum = 0.0
        for start in range(0, len(samples[0]), batch):
            given = [array[start : start + batch] for array in samples]
            values = {id(network.tensors[index]): array for index, array in zip(inputs, given, strict=True)}
            weights.append(len(given[0]))
            run(outputs, values, lambda operation: isinstance(operation, layers.BatchNormalization))
            for norm in norms:
                sums[id(norm)].append(counted(norm))
        found = {key: np.average(parts, axis=0, weights=weights) for key, parts in sums.items()}
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.moving_mean.assign(found[id(norm)][0])
            norm.moving_variance.assign(found[id(norm)][1])
    return True


def counted(norm: layers.BatchNormalization) -> Array:
    """Return the mean and the variance that a layer holds, in double precision: NumPy can't average bfloat16."""
    return np.stack([norm.moving_mean, norm.moving_variance]).astype(np.float64)
