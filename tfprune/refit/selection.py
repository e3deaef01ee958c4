"""Which channels of each group go first, and what that costs: structured OBS on what reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.graph import ChannelGroup, Graph, Slice
from tfprune.refit.forms import Array
from tfprune.refit.gram import Gram
from tfprune.refit.network import Network
from tfprune.refit.obs import Reader, removal_order
from tfprune.refit.sites import Site, find_sites
from tfprune.refit.store import Store

__all__ = ["Curve", "Selection"]


@dataclass(frozen=True)
class Curve:
    """In which order the channels of a group go, and what each costs.

    Args:
        group: The group.
        order: The channels, those that go first at the front, int64 (channels,).
        costs: What each adds to the error when it goes, in that order, float (channels,): the squared error of what
            reads the channels when all else makes up for them, relative to the variance of the layer's outputs, or of
            the sum that these go into.
        readers: Paths of the layers that read them.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, name="a"),
        ...                           keras.layers.Dense(2, name="b")])
        >>> group = tfprune.graph.trace(model).group("a")
        >>> curve = Curve(group, np.array([2, 0, 1]), np.array([0.01, 0.2, 0.5]), ("b",))
        >>> curve.order[:2].tolist(), round(float(curve.costs[:2].sum()), 3)  # what two channels add to the error
        ([2, 0], 0.21)
    """

    group: ChannelGroup = field(repr=False)
    order: NDArray[np.int64] = field(repr=False)
    costs: Array = field(repr=False)
    readers: tuple[str, ...]


class Selection:
    """Finds the order in which the channels of each group go.

    Args:
        graph: The graph.
        groups: The groups. Those that no linear layer reads get no curve.
        network: The whole network.
        samples: The model's inputs, an array for each.
        ridge: Added to the moments of the inputs, relative to their mean square.
        orders: In which order the channels of each group go, by its name, if that is decided.
        **storing: `batch`, `memory`, `rows`, `seed`, as for `Store`.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"),
        ...                           keras.layers.Dense(2, name="b")])
        >>> graph = tfprune.graph.trace(model)
        >>> x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
        >>> [curve] = Selection(graph, graph.prunable, Network(graph), [x]).run()
        >>> curve.group.name, curve.readers, len(curve.order)
        ('a', ('b',), 16)
    """

    def __init__(
        self,
        graph: Graph,
        groups: Sequence[ChannelGroup],
        network: Network,
        samples: Sequence[Array],
        *,
        ridge: float = 1e-3,
        orders: Mapping[str, NDArray[np.int64]] | None = None,
        **storing: Any,
    ) -> None:
        self.network = network
        self.ridge = ridge
        self.orders = orders or {}
        self.store = Store(graph, [network], samples, **storing)
        self.sites = find_sites(graph)
        self.groups = {group.name: group for group in groups}
        by_kernel: dict[int, list[Site]] = defaultdict(list)
        for site in self.sites:
            by_kernel[id(site.form.kernel)].append(site)
        self.read: dict[str, list[tuple[Site, NDArray[np.int64]]]] = {}
        for group in groups:
            found = [
                (site, rows)
                for entry in group.slices
                for site in by_kernel.get(id(entry.variable), ())
                if (rows := channel_rows(site, entry.axis, entry.positions)) is not None
            ]
            if found and all(id(entry.variable) in by_kernel for entry in group.slices if is_kernel(entry)):
                self.read[group.name] = found

    def run(self) -> Iterator[Curve]:
        """Find the orders; yield each as soon as all that read a group have been seen."""
        ends: dict[int, list[str]] = defaultdict(list)
        left: dict[int, int] = defaultdict(int)
        keys = {name: list({self._key(site): site for site, _ in found}) for name, found in self.read.items()}
        numbers = {self._key(site): number for number, site in enumerate(self.sites)}
        for name, own in keys.items():
            ends[max(numbers[key] for key in own)].append(name)
            for key in own:
                left[numbers[key]] += 1
        seen: dict[int, Reader] = {}
        for number, site in enumerate(self.sites):
            if not left[number]:
                continue
            self.store.advance(site.position)
            seen[number] = self.look(site)
            for name in ends[number]:
                yield self._curve(name, [(seen[numbers[self._key(one)]], rows) for one, rows in self.read[name]])
                for key in keys[name]:
                    left[numbers[key]] -= 1
                    if not left[numbers[key]]:
                        del seen[numbers[key]]

    def _curve(self, name: str, found: list[tuple[Reader, NDArray[np.int64]]]) -> Curve:
        group = self.groups[name]
        order, costs = removal_order(found, group.size, given=self.orders.get(name))
        return Curve(group, order, costs, tuple(dict.fromkeys(site.name for site, _ in self.read[name])))

    @staticmethod
    def _key(site: Site) -> tuple[int, str | None]:
        return site.position, site.part

    def look(self, site: Site) -> Reader:
        """Return what is known of a layer: the moments of its inputs, and its matrix with scaled outputs."""
        form = self.network.form(site)
        gram = Gram(*form.size, intercept=True, ridge=self.ridge)
        matrix = np.concatenate([form.weights, np.zeros_like(form.weights[:, :1])], axis=1).astype(np.float64)
        slope = self.network.slope(site) if site.total is not None else None
        wanted = [tensor.index for tensor in site.node.inputs]
        wanted += [] if site.total is None else [site.total.results[0].index]
        sums = np.zeros((3, *form.size[::2]))
        for (given,) in self.store.values(wanted):
            places = self.store.places(site, form.size[1], self.network)
            x, shape = self.network.feed(site, given)
            rows = form.rows(x, shape, places)
            gram.add(rows)
            if site.total is None:
                made = rows @ matrix[:, :-1]
            else:
                made = form.targets(site.by_sample(given[site.total.results[0].index]), places)
            made = made.astype(np.float64)
            sums += [np.full(sums[0].shape, made.shape[1]), made.sum(axis=1), np.square(made).sum(axis=1)]
        variance = float((sums[2] / sums[0] - (sums[1] / sums[0]) ** 2).sum())
        scale = np.full(form.size[::2], 1 / np.sqrt(max(variance, 1e-30)))
        if slope is not None:
            each = site.by_sample(np.where(np.isinf(slope), 0.0, slope))
            scale = scale * np.abs(form.targets(each, np.zeros(1, np.int64))[:, 0])
        return Reader(gram, matrix * scale[:, None])


def is_kernel(entry: Slice) -> bool:
    """Whether a slice is read by a product: something that is no linear layer may read it, as a recurrent cell does."""
    return entry.role == "input" and "kernel" in entry.variable.name


def channel_rows(site: Site, axis: int, positions: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return which rows of a layer's matrix read each channel, int64 (channels, rows); None if none does.

    Channels along an axis that makes outputs are not read, and neither are those that are blocks: they go with all that
    is in the block.
    """
    form = site.form
    shape = form.kernel.shape
    along = np.arange(shape[axis]).reshape([-1 if other == axis else 1 for other in range(len(shape))])
    matrix = form.matrix(np.broadcast_to(along, shape))
    if (matrix != matrix[:1, :, :1]).any():
        return None
    owner = np.full(shape[axis], -1)
    owner[positions] = np.arange(len(positions))[:, None]
    channel = owner[matrix[0, :, 0]]
    rows = [np.flatnonzero(channel == number) for number in range(len(positions))]
    return np.array(rows) if len({len(row) for row in rows}) == 1 and len(rows[0]) else None
