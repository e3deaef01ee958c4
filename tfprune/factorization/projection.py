"""Ranks that fall while a model is trained: kernels are set to the nearest that factors of a rank can make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.factorization.base import Ranks
from tfprune.factorization.layer import find_factors
from tfprune.factorization.plan import FactorizationPlan, LayerPlan

__all__ = ["Projection"]


class Projection:
    """Brings the kernels of a plan's layers to lower and lower ranks.

    The layers stay as they are; only at the end can they be written as factors, exactly. So optimizer, checkpoints and
    whatever else holds the model go on as before (trained rank pruning: Xu et al., "TRP: Trained Rank Pruning for
    Efficient Deep Neural Networks", 2020).

    Args:
        plan: Which layers, with which forms and ranks at the end.

    Raises:
        InputError: If the plan has no layer.
    """

    def __init__(self, plan: FactorizationPlan) -> None:
        if not plan.factorized:
            raise InputError("No layer pays to be factorised; give a smaller budget, rank or energy.")
        self.plan = plan

    def ranks(self, layer: LayerPlan, progress: float) -> Ranks:
        """Return the ranks of a layer when a part of the way has been gone, in [0, 1]."""
        option, geometry = layer.option, layer.candidate.geometry
        if option is None or geometry is None:
            raise RuntimeError(f"{layer.path} stays as it is")
        full = option.form.full(geometry)
        pairs = zip(full, option.ranks, strict=True)
        return tuple(int(np.ceil(end + (start - end) * (1.0 - progress) - 1e-9)) for start, end in pairs)

    def apply(self, progress: float) -> dict[str, Ranks]:
        """Set the kernels to the nearest with the ranks of that part of the way; return these by layer."""
        found = {}
        for layer in self.plan.factorized:
            ranks = found[layer.path] = self.ranks(layer, progress)
            self._project(layer, ranks)
        return found

    def exact(self) -> FactorizationPlan:
        """Return the plan with nothing but the kernels as they are now to be written as factors."""
        from tfprune.factorization.network import plan_factorization

        per_layer: Mapping[Any, Any] = {
            layer.candidate.layer: (layer.option.form, layer.option.ranks)
            for layer in self.plan.factorized
            if layer.option is not None
        }
        return plan_factorization(self.plan.graph.model, per_layer=per_layer)

    @staticmethod
    def _project(layer: LayerPlan, ranks: Ranks) -> None:
        option, target, geometry = layer.option, layer.candidate.layer, layer.candidate.geometry
        if option is None or geometry is None:
            return
        fresh = type(geometry)(target, geometry.form)  # with the kernel as it is now
        if ranks == option.form.full(fresh):
            return
        equation = option.form.equation(fresh)
        factors = find_factors(option.form, fresh, ranks, sweeps=4)
        made = [equation.compose(block) for block in factors]
        matrix = np.stack([kernel.reshape(-1, kernel.shape[-1]) for kernel in made])
        if fresh.form is None:
            target.embeddings.assign(matrix[0])
        else:
            target.kernel.assign(fresh.form.kernel_of(matrix))
