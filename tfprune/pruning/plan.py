"""What a pruning is going to do, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tfprune.pruning.pruner import Pruner
from tfprune.pruning.selection import Skipped
from tfprune.schedules import FunctionSchedule

__all__ = ["describe", "names", "skips"]

COUNTED_ONLY = {"bias": "biases", "normalisation": "normalisation weights", "vector or scalar": "vectors"}
"""Reasons that nobody wants spelled out layer by layer."""

NAMES_SHOWN = 6


def describe(pruner: Pruner, total_steps: int | None = None) -> str:
    """Return what a pruner prunes, when, and what it leaves alone and why.

    Args:
        pruner: A pruner; its schedule may still be in fractions of training.
        total_steps: Length of the training in optimizer updates, if it is known.
    """
    rule, schedule = pruner.source.rule, pruner.schedule
    what, paths = pruner.source.describe()
    unknown = isinstance(schedule, FunctionSchedule) and schedule.needs_length
    final = "the schedule's last sparsity" if unknown else f"{schedule.final_sparsity:.1%} sparsity"
    if pruner.budget is not None:
        final = str(pruner.budget)
    lines = [
        f"tfprune: {what} go to {final} ({rule.criterion}, {rule.granularity}, {rule.scope}, {schedule})",
        f"  prunes {names(paths)}",
    ]
    if total_steps is not None and schedule.end_step is not None and schedule.end_step >= total_steps:
        lines.append(
            f"  NOTE   the schedule ends at step {schedule.end_step}, but this training has {total_steps} steps; what "
            "is missing then goes in one step at the end, with no training after it"
        )
    return "\n".join([*lines, *skips(pruner.skipped)])


def skips(skipped: Sequence[Skipped]) -> list[str]:
    """Return a line for each reason why weights are left alone."""
    by_reason: dict[str, list[Skipped]] = defaultdict(list)
    for entry in skipped:
        by_reason[entry.reason].append(entry)
    lines = [
        f"  skips  {names([e.path for e in es])}: {why}" for why, es in by_reason.items() if why not in COUNTED_ONLY
    ]
    counted = [f"{len(es)} {COUNTED_ONLY[why]}" for why, es in by_reason.items() if why in COUNTED_ONLY]
    return [*lines, *([f"  skips  {', '.join(counted)}"] if counted else [])]


def names(paths: list[str]) -> str:
    """Return the first few paths, and how many more there are."""
    more = len(paths) - NAMES_SHOWN
    return ", ".join(paths[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
