"""What a student is taught by: targets, and answers of its teacher that are known already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ANSWERS", "TARGETS", "Lesson", "lesson_of"]

TARGETS, ANSWERS = "tfprune/targets", "tfprune/answers"
"""Keys of the targets in data that carry the teacher's answers along."""


@dataclass(frozen=True)
class Lesson:
    """What goes with a batch of inputs.

    Args:
        targets: What is right; None if nobody knows.
        answers: What the teacher answers; None if it has to be asked.
    """

    targets: Any
    answers: Any


def lesson_of(y: Any) -> Lesson:
    """Return what a batch's targets are: plain ones, or such with the teacher's answers."""
    if isinstance(y, Mapping) and ANSWERS in y:
        return Lesson(y.get(TARGETS), y[ANSWERS])
    return Lesson(y, None)
