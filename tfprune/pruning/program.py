"""What a user's programme may change while a model is pruned: how much goes, and what makes it go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tfprune import criteria
from tfprune import scope as scopes
from tfprune.criteria import Criterion
from tfprune.errors import InputError, nearest
from tfprune.schedules import check_sparsity
from tfprune.scope import Scope

__all__ = ["Program", "Settings", "read_settings"]

Program = Callable[[int, Mapping[str, float]], Mapping[str, Any] | None]
"""Called with the step and the latest metrics before masks are updated; what it returns holds from then on."""


@dataclass(frozen=True)
class Settings:
    """What changes; None stays as it is.

    Args:
        sparsity: Fraction that goes now, in [0, 1), whatever the schedule says.
        criterion: What makes a weight matter.
        scope: Among what the lowest scores are looked for.
    """

    sparsity: float | None = None
    criterion: Criterion | None = None
    scope: Scope | None = None


def read_settings(given: Any) -> Settings:
    """Return what a programme has returned.

    Raises:
        InputError: If it is no mapping, has an unknown key, or a value that is not allowed.

    Example:
        >>> read_settings({"sparsity": 0.5, "criterion": "l2"}).sparsity
        0.5
    """
    if given is None:
        return Settings()
    if not isinstance(given, Mapping):
        raise InputError(f"The program returned {given!r}; return a dict such as {{'sparsity': 0.5}}, or None.")
    names = ("sparsity", "criterion", "scope")
    for key in given:
        if key not in names:
            raise InputError(f"The program returned the unknown setting {key!r}. {nearest(key, names)}")
    sparsity, criterion, scope = (given.get(name) for name in names)
    return Settings(
        None if sparsity is None else check_sparsity(sparsity, "The program's sparsity"),
        None if criterion is None else criteria.get(criterion),
        None if scope is None else scopes.get(scope),
    )
