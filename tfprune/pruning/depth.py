"""Masks of whole residual blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np

from tfprune.errors import InputError
from tfprune.granularity import Depth, Units
from tfprune.graph import Block, Graph, trace
from tfprune.graph.choice import LayerChoice, inside
from tfprune.graph.tree import walk
from tfprune.pruning.mask import read
from tfprune.pruning.masks import Rule, check_finite
from tfprune.pruning.selection import NO_AXES, Skipped, Target
from tfprune.pruning.source import MaskSource, NewMasks
from tfprune.surgery.dead import is_closed

__all__ = ["BlockMasks"]


class BlockMasks(MaskSource):
    """Residual blocks of a model: what ends the branch is set to zero.

    Args:
        model: The model.
        rule: Criterion, granularity (a `Depth`), scope and seed.
        layers: Only blocks that contain one of these layers.
        skip: None that contain one of these.
    """

    def __init__(
        self,
        model: keras.Model,
        rule: Rule,
        layers: Sequence[LayerChoice] | None = None,
        skip: Sequence[LayerChoice] | None = None,
    ) -> None:
        if not isinstance(rule.granularity, Depth):
            raise InputError(f"{rule.granularity} does not prune residual blocks.")
        self.rule = rule
        self.soft = rule.granularity.soft
        graph = trace(model)
        everything = dict(walk(model))
        wanted = None if layers is None else inside(everything, layers)
        unwanted = inside(everything, skip or ())
        self.blocks: list[Block] = []
        skipped = []
        calls = Counter(id(node.operation) for node in graph.nodes)
        for block in graph.blocks:
            own = {id(graph.nodes[number].operation) for number in block.nodes}
            reason = None
            if block.closers is None:
                reason = "its branch does not end in a layer with weights"
            elif any(not variable.trainable for variable in block.closers):
                reason = "frozen"
            elif any(calls[id(layer)] > 1 for layer in owners(graph, block)):
                reason = "the layer that its branch ends in is called more than once"
            elif own & unwanted:
                reason = "skipped by name"
            elif wanted is not None and not own & wanted:
                reason = "not chosen"
            if reason is None:
                self.blocks.append(block)
            else:
                skipped.append(Skipped(block.name, 1, reason))
        self.skipped = tuple(skipped)
        if not self.blocks:
            reasons = sorted({entry.reason for entry in skipped}) or ["no branch is added to what it begins with"]
            raise InputError(f"There are no residual blocks to prune in {model.name!r} ({'; '.join(reasons)}).")
        none = keras.layers.Identity(name="none")
        self.targets = tuple(
            Target(str(variable.path), none, variable, NO_AXES)
            for block in self.blocks
            for variable in block.closers or ()
        )
        for target in self.targets:
            check_finite(target.path, read(target.variable))

    def masks(self, sparsity: float, progress: float, *, last: bool) -> NewMasks:
        """Return masks that are all ones or all zeros for each block."""
        scores = np.array([self._score(index, block) for index, block in enumerate(self.blocks)])
        (kept,) = self.rule.scope.keep([Units(scores, 1, lambda kept: kept)], [len(scores)], sparsity)
        masks = [
            np.full(tuple(variable.shape), keep)
            for block, keep in zip(self.blocks, kept, strict=True)
            for variable in block.closers or ()
        ]
        removed = len(kept) - int(np.count_nonzero(kept))
        return NewMasks(masks, removed / len(kept), last or not self.soft)

    def measure_each(self) -> dict[str, tuple[int, int]]:
        """Return for each block whether its branch is zero, of one."""
        return {block.name: (int(is_closed(block)), 1) for block in self.blocks}

    def describe(self) -> tuple[str, list[str]]:
        """Return how many blocks, and their names."""
        total = len(self.blocks) + len(self.skipped)
        return f"{len(self.blocks)} of {total} residual blocks", [block.name for block in self.blocks]

    def _score(self, index: int, block: Block) -> float:
        rng = np.random.default_rng([self.rule.seed, index])
        given = {"weights": read((block.closers or ())[0]), "rng": rng}
        return float(self.rule.criterion.judge(given).mean())


def owners(graph: Graph, block: Block) -> list[keras.Operation]:
    """Return the layers in a block's branch that have the variables which make it zero."""
    closers = {id(variable) for variable in block.closers or ()}
    operations = [graph.nodes[number].operation for number in block.nodes]
    return [one for one in operations if closers & {id(weight) for weight in getattr(one, "weights", ())}]
