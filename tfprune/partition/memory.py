"""What a stage needs of a device's memory: the weights of its operations, and the most that is alive at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tfprune.latency.parts import FREE
from tfprune.partition.chain import FLOAT, Chain

__all__ = ["activation_bytes", "stage_memory", "weight_bytes"]

Matrix = NDArray[np.float64]


def stage_memory(chain: Chain) -> tuple[Matrix, Matrix]:
    """Return what every possible stage needs, in bytes: weights, and activations at their peak.

    Args:
        chain: The network as a row.

    Returns:
        Two arrays (cuts, cuts): in row i and column j what the stage needs that reaches from cut i to cut j, float32,
        for one sample; 0 where i ≥ j.
    """
    return weight_bytes(chain), activation_bytes(chain)


def weight_bytes(chain: Chain) -> Matrix:
    """Return the bytes of the weights of every stage; those that several of its operations share count once.

    A use at position p whose weights were last used at q counts in the stage from a to b if q < a ≤ p < b. So each is
    a rectangle of the array, and all are added by their corners.
    """
    cuts = chain.cuts
    corners = np.zeros((len(cuts) + 1, len(cuts) + 1))
    before: dict[int, int] = {}
    for position, number in enumerate(chain.order):
        if chain.static[number]:
            continue
        for variable in chain.variables(number):
            size = FLOAT * math.prod(variable.shape)
            low = int(np.searchsorted(cuts, before.get(id(variable), -1), side="right"))
            high = int(np.searchsorted(cuts, position, side="right"))
            corners[low, high] += size
            corners[high, high] -= size
            before[id(variable)] = position
    total: Matrix = np.triu(np.cumsum(np.cumsum(corners, axis=0), axis=1)[:-1, :-1], 1)
    return total


def activation_bytes(chain: Chain) -> Matrix:
    """Return the most bytes of tensors that are alive at a time in every stage.

    A tensor is alive from the operation that makes it, or from the beginning if it comes from outside, to the last that
    reads it; to the end of the stage if the next one needs it or it is an output of the network. What passes through
    to a later stage counts too. An operation that works in place, such as a batch normalisation or a ReLU whose input
    nobody else reads, needs no second tensor. A runtime aligns tensors and has scratch buffers besides.
    """
    cuts, count = chain.cuts, len(chain)
    live = np.zeros(count + 1)
    readers: dict[int, int] = {}
    for number in chain.order:
        for tensor in {x.index for x in chain.reads(number)} if not chain.static[number] else ():
            readers[tensor] = readers.get(tensor, 0) + 1
    kept = []
    for x in chain.flowing.values():
        first, last = max(x.made, 0), max(x.last, x.made, 0)
        live[first] += x.size
        live[min(last + 1, count)] -= x.size
        if x.output and last + 1 < count:
            kept.append((x.made, last, x.size))
    alive = np.cumsum(live)[:count]
    for position, number in enumerate(chain.order):
        node = chain.graph.nodes[number]
        given = chain.reads(number) if not chain.static[number] else []
        if (node.kind in FREE or node.kind == "Activation") and len(given) == 1 and readers[given[0].index] == 1:
            source = chain.flowing[given[0].index]
            made = sum(chain.flowing[x.index].size for x in node.results if x.index in chain.flowing)
            if not source.output and made <= source.size:
                alive[position] -= made
    rows = np.where(np.arange(count) >= cuts[:, None], alive, 0.0)
    for at, last, size in kept:
        rows[cuts <= at, last + 1 :] += size
    peaks = np.maximum.accumulate(rows, axis=1)
    found: Matrix = np.triu(peaks[:, np.maximum(cuts - 1, 0)], 1)
    return found
