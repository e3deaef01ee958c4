"""A recipe as callbacks of one `fit`: its stages are parts of one training, with a schedule and a strategy each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfprune import criteria
from tfprune import scope as scopes
from tfprune.callbacks import FactorizeCallback, GateCallback, PruneCallback, RegularizeCallback
from tfprune.cost import Budget
from tfprune.errors import InputError
from tfprune.recipe.base import Stage, amount_of, names_of
from tfprune.recipe.export import Quantize
from tfprune.recipe.factorize import Factorize
from tfprune.recipe.gate import AMOUNT, Gate
from tfprune.recipe.prune import Prune
from tfprune.recipe.rates import StagedRate
from tfprune.recipe.regularize import Regularize
from tfprune.recipe.training import TrainingStage
from tfprune.schedules import get as get_schedule
from tfprune.schedules.base import Ramp

__all__ = ["StagedProgram", "callbacks_of"]

RAMP = 0.15
"""The part of its stage in which a gate's budget comes down."""


@dataclass(frozen=True)
class Span:
    """A stage with its part of the training.

    Args:
        stage: The stage.
        begin: Where it begins, in [0, 1].
        end: Where it ends.
    """

    stage: TrainingStage
    begin: float
    end: float


@dataclass(frozen=True)
class StagedProgram:
    """What prunes at which part of a training: sparsity along each stage's schedule, by its criterion and scope.

    Args:
        spans: The stages that prune, in order.
    """

    spans: Sequence[Span]

    def __call__(self, step: int, metrics: Mapping[str, float]) -> dict[str, Any]:
        """Return the settings of the stage that the training is in, or was in last."""
        progress, before, found = metrics["progress"], 0.0, {}
        for span in self.spans:
            stage = span.stage
            if not isinstance(stage, Prune) or progress < span.begin:
                break
            wanted = final_of(stage)
            part = min((progress - span.begin) / max(span.end - span.begin, 1e-9), 1.0)
            covered = shape_of(stage.schedule).covered(part) if part < 1.0 else 1.0
            found = {"sparsity": before + (wanted - before) * covered, "criterion": stage.criterion or "magnitude"}
            found |= {} if stage.scope is None else {"scope": stage.scope}
            before = wanted
        return found


def callbacks_of(stages: Sequence[Stage], data: Any = None, seed: int = 0) -> list[keras.callbacks.Callback]:
    """Return the callbacks that do stages in one `fit`.

    Args:
        stages: The stages; each takes a part of the training in proportion to its epochs.
        data: Training data, for criteria and forms that look at some.
        seed: Seed of what draws random numbers.

    Raises:
        InputError: If a stage is none of a training, or can't be part of another's.
    """
    spans = spans_of(stages)
    found: list[keras.callbacks.Callback] = []
    pruning = [span for span in spans if isinstance(span.stage, Prune)]
    if pruning:
        found.append(prune_callback(pruning, data, seed))
    for span in spans:
        stage, share = span.stage, span.end - span.begin
        if isinstance(stage, Regularize):
            found.append(
                RegularizeCallback(
                    stage.penalty, strength=stage.strength, layers=names_of(stage.layers), skip=names_of(stage.skip),
                    begin=span.begin, end=span.end, seed=seed, verbose=0,
                )
            )  # fmt: skip
        elif isinstance(stage, Factorize):
            options: dict[str, Any] = {"rank": stage.rank, "energy": stage.energy, "form": names_of(stage.form)}
            budget = amount_of(stage.budget, None, None)
            found.append(
                FactorizeCallback(
                    budget if isinstance(budget, Budget) else None, layers=names_of(stage.layers),
                    skip=names_of(stage.skip), begin=span.begin, end=span.end, data=data, seed=seed, verbose=0,
                    **options,
                )
            )  # fmt: skip
        elif isinstance(stage, Gate):
            if span.begin > 0:
                raise InputError("Gates stand from the beginning of a training; put the gate stage first, or compress.")
            found.append(
                GateCallback(
                    amount_of(stage.budget, stage.amount, AMOUNT) or 0.0, gate=stage.gate,
                    granularity=stage.granularity, layers=names_of(stage.layers), skip=names_of(stage.skip),
                    ramp=RAMP * share, end=stage.end * share, refit=data if stage.refit else None, seed=seed,
                    verbose=0,
                )
            )  # fmt: skip
    if any(span.stage.learning_rate is not None for span in spans):
        rates = [(span.begin, span.end, span.stage.learning_rate, span.stage.decay) for span in spans]
        found.append(StagedRate(rates))
    return found


def spans_of(given: Sequence[Stage]) -> list[Span]:
    """Return the stages with their parts of the training.

    Raises:
        InputError: If one of them can't be a part of a training.
    """
    training = [stage for stage in given if isinstance(stage, TrainingStage)]
    for stage in given:
        if not isinstance(stage, TrainingStage) or isinstance(stage, Quantize) or not stage.epochs:
            raise InputError(f"{stage} does not happen while a model is trained; run the recipe by tfprune.compress.")
        if stage.freeze is not None or stage.distil is not None:
            raise InputError(f"{stage} freezes layers or has a teacher; run the recipe by tfprune.compress.")
    total = sum(stage.epochs for stage in training)
    spans, done = [], 0
    for stage in training:
        spans.append(Span(stage, done / total, (done + stage.epochs) / total))
        done += stage.epochs
    return spans


def prune_callback(spans: Sequence[Span], data: Any, seed: int = 0) -> PruneCallback:
    """Return the one callback that prunes in all of these stages.

    Raises:
        InputError: If they prune different things.
    """
    first, last = spans[0].stage, spans[-1].stage
    if not isinstance(first, Prune) or not isinstance(last, Prune):
        raise TypeError("only stages that prune")
    same = ("granularity", "layers", "skip", "round_to")
    for span in spans:
        if any(getattr(span.stage, name) != getattr(first, name) for name in same):
            raise InputError("Stages of one fit prune the same: give them one granularity, layers, skip and round_to.")
        if len(spans) > 1 and isinstance(span.stage, Prune) and span.stage.budget is not None:
            raise InputError("Several stages that prune in one fit go by amounts; give these instead of budgets.")
    parts = {"begin": spans[0].begin, "final_sparsity": final_of(last)}
    if isinstance(get_schedule(last.schedule), Ramp):
        parts["end"] = spans[-1].end
    schedule = get_schedule(last.schedule, **parts)
    budget = amount_of(last.budget, None, None)
    more: dict[str, Any] = {} if first.scope is None else {"scope": scopes.get(first.scope)}
    return PruneCallback(
        budget if isinstance(budget, Budget) else None, schedule=schedule, granularity=first.pattern,
        criterion=criteria.get(first.criterion or "magnitude"), layers=names_of(first.layers),
        skip=names_of(first.skip), data=data, refit=data if last.refit else None, seed=seed, verbose=0,
        program=StagedProgram(spans) if len(spans) > 1 else None, **more,
    )  # fmt: skip


def final_of(stage: Prune) -> float:
    """Return the sparsity that a stage ends at."""
    return float(stage.pattern.default_sparsity if stage.amount is None else stage.amount)


def shape_of(schedule: str) -> Ramp:
    """Return how a named schedule goes from one sparsity to another.

    Raises:
        InputError: If it does not.
    """
    made = get_schedule(schedule)
    if not isinstance(made, Ramp):
        raise InputError(f"The schedule {schedule!r} does not go from one sparsity to another; give 'cosine' or so.")
    return made
