"""Gates before residual blocks: a whole branch is open or closed."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.gates.base import Array
from tfprune.gates.channels import PART
from tfprune.gates.gated import Behind, BoolArray
from tfprune.gates.multiply import Gated
from tfprune.granularity import Depth
from tfprune.graph.choice import LayerChoice
from tfprune.pruning.depth import BlockMasks
from tfprune.pruning.masks import Rule

__all__ = ["Blocks"]


class Blocks(Behind):
    """One gate before the end of each residual branch.

    Args:
        model: A built model.
        amount: The fraction of blocks that close.
        rule: Criterion, granularity, scope and seed.
        layers: Only blocks with one of these layers.
        skip: None with one of these.

    Raises:
        InputError: If there are none, or a budget is given.
    """

    what = "residual blocks"

    def __init__(
        self,
        model: keras.Model,
        amount: Budget | float,
        rule: Rule,
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
    ) -> None:
        if isinstance(amount, Budget) or not isinstance(rule.granularity, Depth):
            raise InputError(f"{amount} can't be met by whole blocks; give the fraction of them that close, as 0.25.")
        source = BlockMasks(model, rule, layers, skip)
        self.blocks, self.skipped = source.blocks, list(source.skipped)
        self.amount = float(amount)
        self.names = {block.name: 1 for block in self.blocks}
        self.count = len(self.blocks)
        self.targets = {PART: 1.0 - self.amount}

    def gated(self) -> list[Gated]:
        """Return the variables that end the branches."""
        return [
            Gated(variable, np.full([1] * len(variable.shape), number))
            for number, block in enumerate(self.blocks)
            for variable in block.closers or ()
        ]

    def expected(self, opening: Array) -> tuple[dict[str, float], dict[str, Array]]:
        """Return the expected part of blocks."""
        return {PART: float(opening.mean())}, {PART: np.full(self.count, 1 / self.count)}

    def choose(self, scores: Array) -> BoolArray:
        """Return the blocks with the highest scores."""
        kept = np.zeros(self.count, dtype=bool)
        kept[np.argsort(-scores, kind="stable")[: self.count - round(self.amount * self.count)]] = True
        return kept

    def masks(self, kept: BoolArray) -> list[tuple[keras.Variable, BoolArray]]:
        """Return masks that are all ones or all zeros."""
        return [
            (variable, np.full(tuple(variable.shape), keep))
            for block, keep in zip(self.blocks, kept, strict=True)
            for variable in block.closers or ()
        ]
