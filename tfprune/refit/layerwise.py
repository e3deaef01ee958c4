"""The refit: a network from which something was removed learns in closed form to do what the whole one does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.graph import Graph
from tfprune.graph.cut import Cut
from tfprune.refit.forms import Array, Form
from tfprune.refit.gram import Gram
from tfprune.refit.network import Network
from tfprune.refit.sites import Site, find_sites
from tfprune.refit.store import Store
from tfprune.refit.targets import Targets

__all__ = ["LayerFit", "LayerwiseRefit"]

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
STRONG_RIDGE = 1e-1
"""Where there are too few rows to hold any out."""
HELD_OUT = 8
"""One in so many rows is held out to choose the ridge."""


@dataclass(frozen=True)
class LayerFit:
    """What the refit of one layer did.

    Args:
        name: Path of the layer.
        rows: How many rows it was fitted on.
        inputs: How many unknowns each of its outputs has.
        before: Squared error of its outputs before, relative to the variance that they should have. What an activation
            cuts off in both is no error.
        after: The same after.

    Example:
        >>> fit = LayerFit("conv_2", rows=4_096, inputs=145, before=0.31, after=0.04)
        >>> f"{fit.name}: {1 - fit.after / fit.before:.0%} of the error is gone"
        'conv_2: 87% of the error is gone'
    """

    name: str
    rows: int
    inputs: int
    before: float
    after: float


class LayerwiseRefit:
    """Refits the linear layers of a smaller network one after the other, in graph order.

    Each layer's kernel and bias are found by ridge least squares so that on its own inputs, which carry the errors of
    all layers before, it gives what the whole network's layer gives (as in He et al., "Channel Pruning for Accelerating
    Very Deep Neural Networks", 2017, with asymmetric reconstruction as in Zhang et al., 2015). Where the result is
    added to a shortcut, the target is corrected so that the sum is what it was. A layer without a bias lets the batch
    normalisation after it take up the mean.

    Of outputs that a ReLU cuts off it does not matter by how much they are too low. So least squares are solved a few
    times more, each time with targets that let such outputs be what they are if they stay cut off. This never raises
    the error behind the activation (each step minimises a bound of it that is exact where it stands).

    Args:
        graph: The graph of the whole network.
        cut: What the smaller one has of it.
        teacher: The whole network.
        student: The smaller one; its weights change.
        samples: The model's inputs, an array for each.
        ridge: How much a change of weights costs, relative to the mean square of the inputs; None chooses for each
            layer what is best on one in eight of the rows, and leaves a layer as it is where nothing is better.
        rounds: How often least squares are solved anew for layers before an activation that cuts off.
        keep_zeros: Whether weights that are zero stay so, as in a network that was pruned weight by weight.
        **storing: `batch`, `memory`, `rows`, `seed`, as for `Store`.

    Example:
        >>> from tfprune.refit import Network
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"),
        ...                           keras.layers.Dense(2, name="b")])
        >>> graph = tfprune.graph.trace(model)
        >>> cut = graph.cut(graph.group("a").labels[:6])
        >>> x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
        >>> refit = LayerwiseRefit(graph, cut, Network(graph), Network(graph, cut), [x])
        >>> [(fit.name, fit.inputs) for fit in refit.run()]
        [('a', 8), ('b', 10)]
    """

    def __init__(
        self,
        graph: Graph,
        cut: Cut,
        teacher: Network,
        student: Network,
        samples: Sequence[Array],
        *,
        ridge: float | None = None,
        rounds: int = 2,
        keep_zeros: bool = False,
        **storing: Any,
    ) -> None:
        self.graph = graph
        self.cut = cut
        self.teacher = teacher
        self.student = student
        self.ridge = ridge
        self.rounds = rounds
        self.keep_zeros = keep_zeros
        self.sites = [site for site in find_sites(graph) if site.alone]
        self.store = Store(graph, [teacher, student], samples, **storing)
        self._pending = {site.position for site in self.sites}
        self._made = {tensor.index: position for position, node in enumerate(graph.nodes) for tensor in node.results}

    def run(self) -> Iterator[LayerFit]:
        """Refit layer by layer; yield what each refit did."""
        for site in self.sites:
            self._pending.discard(site.position)
            self.store.advance(site.position)
            yield self.fit(site)

    def fit(self, site: Site) -> LayerFit:
        """Refit one layer."""
        corrected = self.is_correctable(site)
        targets = Targets(site, self.cut, self.store, corrected=corrected, excused=self.rounds > 0)
        form = targets.form
        start = form.weights.astype(np.float64), form.offsets.astype(np.float64)
        intercept = form.bias is not None or site.norm is not None
        seen, unseen = (Gram(*form.size, intercept=intercept) for _ in range(2))
        for rows in targets:
            held = rows.x.shape[1] // HELD_OUT
            end = rows.x.shape[1] - held
            seen.add(rows.x[:, :end], rows.targets[:, :end])
            if held:
                unseen.add(rows.x[:, end:], rows.targets[:, end:])
        free = start[0] != 0 if self.keep_zeros and (start[0] == 0).any() else None
        ridge, useful = self.choose_ridge(seen, unseen, start, free)
        seen.take(unseen)
        seen.ridge = ridge
        spread = max(float(seen.spread().sum()), 1e-30)
        found = form.nearest(*seen.solve(*start, free), seen) if useful else start
        before, after = (float(seen.error(*weights).sum()) / spread for weights in (start, found))
        if useful and targets.bounds is not None:
            before = float(excuse(seen, targets, start).error(*start).sum()) / spread
            for _ in range(self.rounds):
                aimed = excuse(seen, targets, found)
                found = form.nearest(*aimed.solve(*start, free), aimed)
                after = float(aimed.error(*found).sum()) / spread
        if after < before and np.isfinite(found[0]).all():
            self.write(site, form, *found)
        return LayerFit(site.name, seen.rows, form.size[1], before, min(after, before))

    def choose_ridge(
        self, seen: Gram, unseen: Gram, start: tuple[Array, Array], free: Array | None
    ) -> tuple[float, bool]:
        """Return the ridge with the least error on held-out rows, and whether it is better than no change."""
        if self.ridge is not None or not unseen.rows:
            return (STRONG_RIDGE if self.ridge is None else self.ridge), True
        errors = {}
        for ridge in RIDGES:
            seen.ridge = ridge
            errors[ridge] = float(unseen.error(*seen.solve(*start, free)).sum())
        best = min(errors, key=lambda ridge: errors[ridge])
        return best, errors[best] < float(unseen.error(*start).sum())

    def write(self, site: Site, form: Form, matrix: Array, bias: Array) -> None:
        """Give a layer its new weights; a bias that it has none for goes into the normalisation after it."""
        form.write(matrix, bias)
        if form.bias is None and site.norm is not None:
            mean: Any = self.student.operations[id(site.norm.operation)].moving_mean
            mean.assign(mean.numpy() - bias.reshape(-1))

    def is_correctable(self, site: Site) -> bool:
        """Whether what a result is added to is final by now: it follows from no layer that is still to be refitted."""
        if site.total is None:
            return False
        stack, seen = [tensor.index for tensor in site.others], set()
        while stack:
            position = self._made.get(stack.pop(), -1)
            if position < 0 or position in seen:
                continue
            if position in self._pending or position == site.position:
                return False
            seen.add(position)
            stack.extend(tensor.index for tensor in self.graph.nodes[position].inputs)
        return True


def excuse(gram: Gram, targets: Targets, weights: tuple[Array, Array]) -> Gram:
    """Return a layer's moments with targets that ask of what is cut off no more than to stay so.

    Whatever meets them best has no larger error, counted after the activation, than the given weights.
    """
    matrix, bias = weights
    bounds = targets.bounds or (-np.inf, np.inf)
    return gram.aim((rows.x, rows.excused(rows.x @ matrix + bias[:, None], bounds)) for rows in targets)
