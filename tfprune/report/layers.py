"""The layers of two networks side by side: what each has and costs, before and after."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from tfprune.cost import CostModel
from tfprune.errors import InputError, no_weights
from tfprune.graph import Graph, trace
from tfprune.graph.tree import own_variables, walk
from tfprune.pruning.mask import read
from tfprune.pruning.selection import Target, find_kernels
from tfprune.report.parts import Layer
from tfprune.surgery.kept import kept_channels

__all__ = ["Seen", "counterparts", "layer_rows", "look_at"]

FACTOR = re.compile(r"(.+)_factor_\d+$")
"""What factorisation calls the first links of a chain; the last one has the layer's own name."""


@dataclass(frozen=True)
class Seen:
    """A network that has been looked at.

    Attributes:
        model: The network.
        graph: Its graph; None where it can't be traced.
        cost: What it costs; None likewise.
        kernels: The kernels of each layer, by its path.
        layers: The layers with weights, by path, in order.
        why: Why it can't be traced.
    """

    model: keras.Model
    graph: Graph | None
    cost: CostModel | None
    kernels: Mapping[str, list[Target]]
    layers: Mapping[str, keras.Layer]
    why: str = ""

    def parameters(self, path: str) -> int:
        """Return how many parameters a layer has itself."""
        return sum(math.prod(weight.shape) for weight in own_variables(self.layers[path]))

    def macs(self, path: str) -> int | None:
        """Return the multiply-accumulates of a layer's kernels; None if they are not known."""
        known = {} if self.cost is None else self.cost.by_kernel
        counts = [known[id(kernel.variable)] for kernel in self.kernels.get(path, ()) if id(kernel.variable) in known]
        return sum(counts) if counts else None

    def units(self, path: str) -> int | None:
        """Return how many channels the last of a layer's kernels makes."""
        kernels = self.kernels.get(path)
        if not kernels:
            return None
        shape = kernels[-1].variable.shape
        return int(math.prod(shape[axis] for axis in kernels[-1].axes.outputs))

    def zeros(self, path: str) -> tuple[int, int] | None:
        """Return how many weights of a layer's kernels are zero, and how many there are."""
        arrays = [read(kernel.variable) for kernel in self.kernels.get(path, ())]
        return (sum(int(np.sum(a == 0)) for a in arrays), sum(a.size for a in arrays)) if arrays else None


def look_at(model: keras.Model) -> Seen:
    """Return what a network is made of.

    Raises:
        InputError: If it has no weights yet.
    """
    if not model.built or not model.weights:
        raise no_weights(model)
    everything = dict(walk(model))
    kernels: dict[str, list[Target]] = {}
    for kernel in find_kernels(everything)[0]:
        kernels.setdefault(next(path for path, layer in everything.items() if layer is kernel.layer), []).append(kernel)
    layers = {path: layer for path, layer in everything.items() if own_variables(layer)}
    try:
        graph = trace(model)
    except InputError as error:
        return Seen(model, None, None, kernels, layers, str(error))
    return Seen(model, graph, CostModel(graph), kernels, layers)


def counterparts(dense: Seen, small: Seen) -> dict[str, list[str]]:
    """Return for each layer of the dense network those that have taken its place, in order.

    A layer is known by what the smaller model remembers of it, by its path, by its name where no other has that name,
    and the links of a factorised one by theirs.
    """
    kept = kept_channels(small.model)
    by_name: dict[str, list[str]] = {}
    for path in dense.layers:
        by_name.setdefault(path.rpartition("/")[2], []).append(path)
    found: dict[str, list[str]] = {}
    for path in small.layers:
        name = path.rpartition("/")[2]
        chain = FACTOR.match(path)
        link = chain and path not in dense.layers
        wanted = chain.group(1) if chain and link else path
        base = wanted.rpartition("/")[2]
        record = None if link else kept.get(name)
        remembered = record.layer if record is not None and record.layer in dense.layers else None
        same = remembered or (wanted if wanted in dense.layers else None)
        if same is None and len(by_name.get(base, ())) == 1:
            same = by_name[base][0]
        if same is not None:
            found.setdefault(same, []).append(path)
    return found


def layer_rows(
    dense: Seen | None,
    small: Seen,
    *,
    reasons: Mapping[str, str] | None = None,
    predicted: Mapping[str, float] | None = None,
) -> tuple[Layer, ...]:
    """Return a row for each layer with weights, of the dense network and then those that are new.

    Args:
        dense: The dense network; None if it is not known, so that there is only an after.
        small: The smaller one.
        reasons: Why layers stay as they are, by path; said of those that did.
        predicted: The error that was predicted for what reads a layer's channels, by path.
    """
    pairs = {} if dense is None else counterparts(dense, small)
    taken = {path for paths in pairs.values() for path in paths}
    rows = []
    for path, layer in ({} if dense is None else dense.layers).items():
        assert dense is not None
        rows.append(_row(path, type(layer).__name__, dense, path, small, pairs.get(path, []), reasons or {}, predicted))
    for path, layer in small.layers.items():
        if path not in taken:
            rows.append(_row(path, type(layer).__name__, None, path, small, [path], {}, predicted))
    return tuple(rows)


def _row(
    name: str,
    kind: str,
    dense: Seen | None,
    path: str,
    small: Seen,
    now: list[str],
    reasons: Mapping[str, str],
    predicted: Mapping[str, float] | None,
) -> Layer:
    before = None if dense is None else dense.parameters(path)
    after = sum(small.parameters(one) for one in now)
    macs = [count for one in now if (count := small.macs(one)) is not None]
    zeros = [pair for one in now if (pair := small.zeros(one)) is not None]
    removed = sum(pair[0] for pair in zeros)
    same = before == after and not removed
    reason = reasons.get(path, "") if same else ""
    return Layer(
        name=name,
        kind=kind,
        before=before,
        after=after,
        macs_before=None if dense is None else dense.macs(path),
        macs_after=sum(macs) if macs else (0 if not now and dense is not None and dense.macs(path) else None),
        units_before=None if dense is None else dense.units(path),
        units_after=small.units(now[-1]) if now else None,
        zeros=removed if zeros else None,
        weights=sum(pair[1] for pair in zeros) if zeros else None,
        predicted=(predicted or {}).get(path),
        factors=max(len(now), 1),
        reason=reason or ("taken out" if not now else "a chain of factors now" if len(now) > 1 else ""),
    )
