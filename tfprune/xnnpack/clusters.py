"""Which parts of a network XNNPACK computes with sparse kernels, and which it gets wrong.

The algorithm is that of `xnn_subgraph_rewrite_for_nchw` in XNNPACK's `src/subgraph.c`: operations that can be in a
cluster are joined with those that they read; a cluster is given up if one of them reads something else, or is read by
something else than an operation of a cluster; where more than two thirds of the weights of its 1 × 1 convolutions are
zero, all that its operations read is stored as planes of channels.

What its last operation *makes* is not looked at. If that is no pooling but, say, a convolution that a 3 × 3 one reads,
planes of channels are taken for rows of images, and the network gives wrong numbers, without any message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tfprune.xnnpack.damage import check
from tfprune.xnnpack.network import Network
from tfprune.xnnpack.partitions import partitions
from tfprune.xnnpack.roles import Node, Role, nodes_of

__all__ = ["Block", "Cluster", "Survey", "survey"]


@dataclass(frozen=True)
class Block:
    """What keeps a cluster from being one.

    Args:
        node: The operation of the cluster that is concerned.
        cause: The operation that can't be in a cluster, or None if it is an input or an output of the model.
        reads: Whether the cluster reads the cause; else it is read by it.
    """

    node: Node
    cause: Node | None
    reads: bool


@dataclass(frozen=True)
class Cluster:
    """Operations that XNNPACK computes as planes of channels together, if enough weights are zero.

    Args:
        nodes: The operations, in order.
        kernels: Indices of the kernels of the 1 × 1 convolutions.
        open_ends: Operations whose result is then taken for what it is not.
    """

    nodes: tuple[Node, ...]
    kernels: tuple[int, ...]
    open_ends: tuple[Node, ...] = ()

    def weights(self, network: Network) -> int:
        """Return the number of weights of the 1 × 1 convolutions."""
        return sum(network.tensors[index].size for index in self.kernels)

    def zeros(self, network: Network) -> int:
        """Return how many of them are zero."""
        return sum(network.tensors[index].zeros for index in self.kernels)

    def enough(self, network: Network) -> bool:
        """Whether more than two thirds of them are zero."""
        return self.zeros(network) * 3 > self.weights(network) * 2


@dataclass(frozen=True)
class Survey:
    """What was found in a network.

    Args:
        nodes: All operations, with their roles.
        clusters: The clusters that have 1 × 1 convolutions, in the order of their ends.
        blocks: What keeps others from being clusters.
    """

    nodes: tuple[Node, ...]
    clusters: tuple[Cluster, ...]
    blocks: tuple[Block, ...]


def survey(network: Network) -> Survey:
    """Find the clusters of a network, and what blocks others; weights may be zero or not.

    Args:
        network: A network.

    Returns:
        The clusters and the blocks.

    Raises:
        InputError: If an operation lacks what it computes with.
    """
    check(network)
    nodes = nodes_of(network)
    clusters: list[Cluster] = []
    blocks: list[Block] = []
    for part in partitions(network):
        operations = {network.operations[place].index for place in part}
        search = _Search(network, [node for node in nodes if node.operation.index in operations])
        if search.begin():
            search.spread()
            search.check_readers()
            clusters += search.clusters()
        else:
            search.spread()
        blocks += [block for found in search.blocks for block in found]
    return Survey(tuple(nodes), tuple(clusters), tuple(blocks))


class _Search:
    """The state of the algorithm: a leader for each node, what blocks it, and its roles as they change."""

    def __init__(self, network: Network, nodes: Sequence[Node]) -> None:
        self.network, self.nodes = network, nodes
        self.producer = {index: place for place, node in enumerate(nodes) for index in node.operation.outputs}
        own = Counter(index for node in nodes for index in node.inputs)
        readers = network.readers()
        self.external = {index for index in self.producer if readers[index] > own[index]}
        self.leader = list(range(len(nodes)))
        self.roles = [node.role for node in nodes]
        self.bad = [False] * len(nodes)
        self.blocks: list[list[Block]] = [[] for _ in nodes]

    def begin(self) -> bool:
        """Join each operation that can end a cluster with what it reads; return whether there is any."""
        joined = False
        for place in range(len(self.nodes)):
            if self.roles[place] & Role.LAST:
                joined |= self.join(place)
        return joined

    def spread(self) -> None:
        """Join operations with what they read until nothing changes, then tell leaders what is blocked."""
        changed = True
        while changed:
            changed = False
            for place, role in enumerate(self.roles):
                if not self.bad[place] and role & (Role.INSIDE | Role.LAST):
                    changed |= self.join(place)
        for place, bad in enumerate(self.bad):
            if bad:
                self.bad[self.leader[place]] = True

    def join(self, place: int) -> bool:
        """Join an operation with those that it reads, or note that one of them can't be in a cluster."""
        changed = False
        for index in self.nodes[place].inputs:
            source = self.producer.get(index)
            if source is None or index in self.external:
                self.block(place, Block(self.nodes[place], None, reads=True))
            elif self.roles[source] & (Role.FIRST | Role.INSIDE) and not self.bad[source]:
                self.roles[source] &= ~Role.LAST
                if self.leader[source] != self.leader[place]:
                    self.leader[source] = self.leader[place] = max(self.leader[source], self.leader[place])
                    changed = True
            else:
                self.block(place, Block(self.nodes[place], self.nodes[source], reads=True))
        return changed

    def block(self, place: int, block: Block) -> None:
        """Note what blocks an operation."""
        self.bad[place] = True
        if block not in self.blocks[place]:
            self.blocks[place].append(block)

    def active(self) -> list[int]:
        """Return the places of operations in clusters that are not blocked."""
        return [
            place
            for place, role in enumerate(self.roles)
            if role & (Role.INSIDE | Role.LAST) and not self.bad[self.leader[place]]
        ]

    def check_readers(self) -> None:
        """Block clusters of which something is read by an operation that is in none."""
        readers = self.network.readers()
        inside: dict[int, int] = {}
        active = self.active()
        for place in active:
            for index in self.nodes[place].inputs:
                inside[index] = inside.get(index, 0) + 1
        for place in active:
            for index in self.nodes[place].inputs:
                if inside[index] != readers[index]:
                    other = next((n for p, n in enumerate(self.nodes) if index in n.inputs and p not in active), None)
                    self.block(self.leader[place], Block(self.nodes[place], other, reads=False))

    def clusters(self) -> list[Cluster]:
        """Return the clusters that are not blocked."""
        members: dict[int, list[int]] = {}
        for place, role in enumerate(self.roles):
            if role and not self.bad[self.leader[place]]:
                members.setdefault(self.leader[place], []).append(place)
        found = []
        for _, places in sorted(members.items()):
            nodes = [self.nodes[place] for place in places]
            kernels = tuple(node.pointwise for node in nodes if node.pointwise is not None)
            if kernels:
                found.append(Cluster(tuple(nodes), kernels, tuple(self.open_ends(places))))
        return found

    def open_ends(self, places: Sequence[int]) -> list[Node]:
        """Return the operations of a cluster that read planes of channels and make what is read as rows of images."""
        planes = {index for place in places for index in self.nodes[place].inputs if self.roles[place] & ~Role.FIRST}
        ends = []
        for place in places:
            node = self.nodes[place]
            if self.roles[place] & (Role.LAST | Role.FIRST) or not planes & set(node.inputs):
                continue
            if not set(node.operation.outputs) <= planes:
                ends.append(node)
        return ends
