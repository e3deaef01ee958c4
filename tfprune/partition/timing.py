"""How long each operation of a network takes on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.cost.operation import Operation
from tfprune.errors import InputError, nearest
from tfprune.graph import Graph
from tfprune.latency import LatencyTable, NetworkLatency
from tfprune.latency.parts import parts_of_node

__all__ = ["Profile", "profile"]

SOURCES = ("measured", "macs")

CONVOLUTION = Operation("convolution", (28, 28), 64, 64, (3, 3), (1, 1), (1, 1), "same")
"""What tells the multiply-accumulates per second of this machine."""

COPY = Operation("elementwise", (28, 28), 64, 64)
"""What tells the values per second that an operation without weights reads and writes."""


@dataclass(frozen=True)
class Profile:
    """What the operations of a network take: float32, one sample, this machine.

    Args:
        milliseconds: For each node of the graph, float (nodes,).
        source: Where that is from: `"measured"`, `"macs"` or `"given"`.
        notes: What a reader of it should know.

    Example:
        >>> found = Profile(np.array([0.4, 1.6]), "given")
        >>> found.total, found.milliseconds / found.total
        (2.0, array([0.2, 0.8]))
    """

    milliseconds: NDArray[np.float64] = field(repr=False)
    source: str
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """What the whole network takes, in milliseconds."""
        return float(self.milliseconds.sum())


def profile(graph: Graph, latency: Any = "measured", *, progress: bool = False) -> Profile:
    """Return what the operations of a network take.

    Args:
        graph: The network.
        latency: `"measured"`: each operation is timed alone (`tfprune.latency.LatencyTable`, kept on disk), and all are
            scaled to what the whole exported network takes. `"macs"`: its multiply-accumulates, and the values that an
            operation without weights makes, over what this machine does per second, measured once for all networks. Or
            a `Profile`, or milliseconds for each node of `tfprune.graph.trace(model).nodes`.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The milliseconds of each operation.

    Raises:
        InputError: If it is none of these.
        BenchmarkError: If there is no interpreter to measure with.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)])
        >>> profile(tfprune.graph.trace(model), [0.4, 1.6]).total
        2.0
    """
    if isinstance(latency, str) and latency not in SOURCES:
        raise InputError(f"Unknown latency {latency!r}. {nearest(latency, SOURCES)}")
    if isinstance(latency, str):
        parts = [[one.operation for one in parts_of_node(graph, node, n)] for n, node in enumerate(graph.nodes)]
        opaque = [node.path for node in graph.opaque]
        notes = (f"Nobody can look into {', '.join(opaque)}: its time is a guess.",) if opaque else ()
        values = by_macs(graph, parts) if latency == "macs" else measured(graph, parts, progress)
        return Profile(values, latency, notes)
    found = latency if isinstance(latency, Profile) else given(latency)
    if len(found.milliseconds) != len(graph.nodes):
        raise InputError(
            f"latency has {len(found.milliseconds)} times; the network has {len(graph.nodes)} operations "
            "(tfprune.graph.trace(model).nodes): give one for each."
        )
    return found


def measured(graph: Graph, parts: Sequence[Sequence[Operation]], progress: bool) -> NDArray[np.float64]:
    """Return timed operations, scaled to the timed whole."""
    network = NetworkLatency(graph, LatencyTable(), progress=progress)
    return np.array([network.scale * sum(network.table.get(one, 0.0) for one in own) for own in parts])


def by_macs(graph: Graph, parts: Sequence[Sequence[Operation]]) -> NDArray[np.float64]:
    """Return multiply-accumulates, and values without any, over this machine's rates."""
    table = LatencyTable()
    table.measure([CONVOLUTION, COPY])
    per_mac = table[CONVOLUTION] / CONVOLUTION.macs
    per_value = table[COPY] / (COPY.outputs * int(np.prod(COPY.positions)))
    found = np.zeros(len(parts))
    for number, own in enumerate(parts):
        macs = sum(term.whole for term in graph.walk.macs.get(number, []))
        values = sum(one.outputs * int(np.prod(one.positions)) for one in own if one.kind == "elementwise")
        found[number] = per_mac * macs + per_value * values
    return found


def given(latency: Any) -> Profile:
    """Return times of one's own."""
    try:
        values = np.asarray(latency, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
        raise InputError(
            f"latency is {latency!r}; give 'measured', 'macs', or the milliseconds of each operation, from 0 upwards."
        )
    return Profile(values, "given")
