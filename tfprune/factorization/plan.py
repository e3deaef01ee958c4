"""What each layer of a network becomes, what that costs, and why the others stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
from rich.table import Table
from rich.text import Text

from tfprune.cost import Cost
from tfprune.cost.network import compared
from tfprune.errors import InputError
from tfprune.factorization.base import Array
from tfprune.factorization.constrained import FactoredForm
from tfprune.factorization.layer import find_factors, make_pieces
from tfprune.factorization.options import Option
from tfprune.factorization.survey import Candidate, Measure
from tfprune.graph import Graph
from tfprune.refit import Network, Repaired, Unlabelled
from tfprune.refit.repair import repair
from tfprune.shown import Shown
from tfprune.surgery.compiled import carry_compilation, carry_optimizer

__all__ = ["FactorizationPlan", "LayerPlan"]


@dataclass(frozen=True)
class LayerPlan:
    """What one layer becomes.

    Args:
        candidate: The layer.
        option: What it becomes; None if it stays.
        reason: Why it stays; None if it does not.
        measure: What errors in its kernel cost.

    Example:
        >>> model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16, name="a"),
        ...                           keras.layers.Dense(2, name="b")])
        >>> plan = tfprune.plan_factorization(model, rank=4)
        >>> [(layer.path, layer.option.ranks if layer.option else layer.reason) for layer in plan.layers]
        [('a', (4,)), ('b', 'Svd 2 costs no less than it')]
    """

    candidate: Candidate
    option: Option | None
    reason: str | None = None
    measure: Measure | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """Where the layer is."""
        return self.candidate.path

    def factors(self) -> list[list[Array]]:
        """Return the factors of each block."""
        option, geometry, measure = self.option, self.candidate.geometry, self.measure
        if option is None or geometry is None or measure is None:
            raise RuntimeError(f"{self.path} stays as it is")
        return find_factors(option.form, geometry, option.ranks, measure.metrics, measure.scale)


@dataclass(frozen=True)
class FactorizationPlan(Shown):
    """Which layers of a network are factorised and how, and what it costs before and after.

    Args:
        graph: The network.
        layers: What each layer with a kernel becomes.
        before: What the network costs.
        after: What it will cost.
        unlabelled: The data that told; None if there were none.

    Example:
        >>> model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16, name="a"),
        ...                           keras.layers.Dense(2, name="b")])
        >>> plan = tfprune.plan_factorization(model, rank=4)
        >>> [layer.path for layer in plan.factorized], plan.before.macs, plan.after.macs
        (['a'], 288, 160)
        >>> plan.apply().count_params() < model.count_params()
        True
    """

    graph: Graph = field(repr=False)
    layers: tuple[LayerPlan, ...] = field(repr=False)
    before: Cost
    after: Cost
    unlabelled: Unlabelled | None = field(default=None, repr=False)

    @property
    def factorized(self) -> tuple[LayerPlan, ...]:
        """The layers that are factorised."""
        return tuple(plan for plan in self.layers if plan.option is not None)

    def apply(self, *, optimizer: bool = False) -> keras.Model:
        """Return the factorised model, not refitted.

        Args:
            optimizer: Whether its optimizer remembers what the given model's did of the weights that stay.
        """
        return self._student(optimizer)[0].model

    def repair(self, data: Any = None, *, optimizer: bool = False, progress: bool = False, **options: Any) -> Repaired:
        """Return the factorised model, refitted layer by layer, factors included.

        Args:
            data: Samples of what the model is used on; by default those that the plan was made with.
            optimizer: Whether its optimizer remembers what the given model's did of the weights that stay.
            progress: Whether to show a progress bar on a terminal.
            **options: `ridge`, `rounds`, `batch`, `memory`, `rows`, `seed`; see `tfprune.refit.LayerwiseRefit`.

        Raises:
            InputError: If there are no data, or they don't fit the model.
        """
        given = self.unlabelled if data is None else Unlabelled(self.graph.model, data)
        if given is None:
            raise InputError("A refit needs data: samples of what the model is used on, without labels.")
        student, factors = self._student(optimizer)
        for plan in self.factorized:
            geometry, option, measure = plan.candidate.geometry, plan.option, plan.measure
            if option is None or geometry is None or geometry.form is None or measure is None:
                continue
            key = id(plan.candidate.layer)
            chain = student.built.links[key]
            student.forms[key] = FactoredForm(
                geometry, option.form, option.ranks, factors[plan.path], chain, measure.scale / measure.scale.max()
            )
        cut, teacher = self.graph.cut([]), Network(self.graph)
        return repair(self.graph, cut, teacher, student, given.samples, progress=progress, **options)

    def _student(self, optimizer: bool) -> tuple[Network, dict[str, Any]]:
        """Return the factorised network, and the factors of each layer by its path."""
        factors: dict[str, Any] = {}
        chains = {}
        for plan in self.factorized:
            geometry, option = plan.candidate.geometry, plan.option
            if option is None or geometry is None:
                continue
            factors[plan.path] = plan.factors()
            chains[id(plan.candidate.layer)] = make_pieces(option.form, geometry, factors[plan.path])
        student = Network(self.graph, chains=chains)
        carry_compilation(self.graph.model, student.model)
        if optimizer:
            carry_optimizer(self.graph.model, student.model, student.built)
        return student, factors

    @property
    def predicted(self) -> dict[str, float]:
        """The error that each factorised layer adds, by its path."""
        return {plan.path: plan.option.error for plan in self.factorized if plan.option is not None}

    def __str__(self) -> str:
        lines = [
            f"{self.graph.model.name}: {len(self.factorized)} of {len(self.layers)} layers factorised",
            *compared(self.before, self.after),
        ]
        return "\n".join(lines)

    def table(self) -> Table:
        """Return a rich table of the layers."""
        table = Table(title=Text(str(self)), title_justify="left", title_style="")
        table.add_column("layer", overflow="fold")
        table.add_column("becomes")
        for column in ("MACs", "after", "predicted error"):
            table.add_column(column, justify="right")
        table.add_column("stays because", overflow="fold")
        for plan in self.layers:
            macs = "" if plan.candidate.geometry is None else f"{plan.candidate.cost.macs:,}"
            option = plan.option
            made = ("", "", "") if option is None else (str(option), f"{option.cost.macs:,}", f"{option.error:.4f}")
            table.add_row(Text(plan.path), made[0], macs, *made[1:], Text(plan.reason or ""))
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "name": self.graph.model.name,
            "before": vars(self.before),
            "after": vars(self.after),
            "layers": [
                {
                    "path": plan.path,
                    "form": None if plan.option is None else type(plan.option.form).__name__,
                    "ranks": None if plan.option is None else list(plan.option.ranks),
                    "predicted_error": None if plan.option is None else plan.option.error,
                    "reason": plan.reason,
                }
                for plan in self.layers
            ],
        }
