"""The best partition of any network between two devices, whatever the order of its operations: a minimum cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from tfprune.partition.chain import Chain
from tfprune.partition.devices import Devices
from tfprune.partition.timing import Profile

__all__ = ["min_cut_order"]

LARGEST = 2**29
"""Capacities are scaled so that all together are this many; SciPy adds them as 32-bit integers."""


def min_cut_order(chain: Chain, profile: Profile, devices: Devices) -> tuple[list[int], int]:
    """Return the order of the nodes, those of the first device first, and how many of them it does.

    Hu et al., "Dynamic Adaptive DNN Surgery for Inference Acceleration on the Edge", INFOCOM 2019 (DADS). The graph has
    a source, which is the first device, a sink, which is the second, and a vertex for each operation:

    - source → operation with what the operation takes on the second device: it is cut if the operation is done there;
    - operation → sink with what it takes on the first device, likewise;
    - operation → (tensor) → each operation that reads it: the vertex of the tensor is the auxiliary one of DADS. The
      edge into it has what sending the tensor takes and is cut once, however many read it; those out of it can't be
      cut. Inputs of the network come from the source;
    - each operation that reads a tensor → the one that makes it, which can't be cut: nothing flows back.

    The delay of the link comes once, if anything is sent at all: either all stays on the first device, or the cut with
    the least sum is paid for with one delay; the better of the two is the optimum. A tensor that can't be sent (see
    `Chain.cuts`) has an edge that can't be cut. Operations on weights alone cost nothing and are left out. Numbers are
    rounded to 2⁻²⁹ of their sum.

    Args:
        chain: The network.
        profile: What each operation takes on this machine.
        devices: Two devices.
    """
    first, second = (one.speed for one in devices.devices)
    link = devices.between[0]
    moving = [number for number in chain.order if not chain.static[number]]
    vertex = {number: n + 2 for n, number in enumerate(moving)}
    edges: list[tuple[int, int, float]] = []
    for number in moving:
        took = float(profile.milliseconds[number])
        edges += [(0, vertex[number], took / second), (vertex[number], 1, took / first)]
    readers: dict[int, list[int]] = {}
    for number in moving:
        for tensor in {x.index for x in chain.reads(number)}:
            readers.setdefault(tensor, []).append(vertex[number])
    free = len(moving) + 2
    for index, flowing in chain.flowing.items():
        if index not in readers:
            continue
        maker = 0 if flowing.made < 0 else vertex[chain.order[flowing.made]]
        sent = 1000.0 * flowing.size / link.rate if flowing.whole else np.inf
        edges.append((maker, free, sent))
        edges += [(free, reader, np.inf) for reader in readers[index]]
        edges += [(reader, maker, np.inf) for reader in readers[index] if maker]
        free += 1
    before = reachable(edges, free)
    own = {number for number in moving if vertex[number] in before}
    if own != set(moving):
        price = priced(edges, before) + 1000.0 * link.seconds
        if price >= float(profile.milliseconds.sum()) / first:
            own = set(moving)
    order = arranged(chain, own)
    return order, len(order) if len(own) == len(moving) else len(arranged_before(chain, own))


def arranged_before(chain: Chain, own: set[int]) -> list[int]:
    """Return the nodes of the first device, with the operations on weights alone that lie among them."""
    last = max((position for position, number in enumerate(chain.order) if number in own), default=-1)
    return [n for p, n in enumerate(chain.order) if n in own or (chain.static[n] and p < last)]


def arranged(chain: Chain, own: set[int]) -> list[int]:
    """Return all nodes, those of the first device first."""
    before = arranged_before(chain, own)
    taken = set(before)
    return [*before, *(number for number in chain.order if number not in taken)]


def priced(edges: Sequence[tuple[int, int, float]], before: set[int]) -> float:
    """Return what a cut costs."""
    return sum(size for start, end, size in edges if start in before and end not in before)


def reachable(edges: Sequence[tuple[int, int, float]], count: int) -> set[int]:
    """Return the vertices on the source's side of a minimum cut."""
    total = sum(size for *_, size in edges if np.isfinite(size))
    scale = LARGEST / max(total, 1e-12)
    capacity: dict[tuple[int, int], int] = {}
    for start, end, size in edges:
        whole = LARGEST + 1 if not np.isfinite(size) else round(size * scale)
        capacity[start, end] = min(capacity.get((start, end), 0) + whole, LARGEST + 1)
    rows, columns = zip(*capacity, strict=True)
    shape = (count, count)
    matrix = csr_matrix((np.array(list(capacity.values()), dtype=np.int32), (rows, columns)), shape=shape)
    flow = maximum_flow(matrix, 0, 1).flow
    left = matrix - flow
    left.data = np.where(left.data > 0, left.data, 0)
    left.eliminate_zeros()
    return {int(n) for n in breadth_first_order(left, 0, return_predecessors=False)}
