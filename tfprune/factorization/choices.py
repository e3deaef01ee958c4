"""What users ask for: which layers, which forms, which ranks; and why a layer stays as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tfprune.cost import Budget
from tfprune.cost.budget import LIMITS
from tfprune.errors import InputError
from tfprune.factorization.base import Factorization, factorizations
from tfprune.factorization.layer import usual_form
from tfprune.factorization.options import Option
from tfprune.factorization.ranks import find_ranks
from tfprune.factorization.survey import Candidate
from tfprune.graph.choice import inside
from tfprune.graph.tree import walk
from tfprune.latency import NetworkLatency

__all__ = ["FORMS", "all_forms", "asked", "cheaper", "choose", "find_forms", "own_ranks", "timed", "why_not"]

FORMS: tuple[Any, ...] = ("svd", "spatial", "channel_in", "channel_out", "tucker", "depthwise")
"""The forms that are tried if none is named. Those left out take long to find (CP) or run slowly (grouped)."""


def find_forms(form: Any) -> list[Factorization] | None:
    """Return the forms that are named; None if none is."""
    if form is None:
        return None
    return [factorizations.get(one) for one in (form if isinstance(form, list | tuple) else [form])]


def all_forms() -> list[Factorization]:
    """Return the forms that are tried if none is named."""
    return [factorizations.get(name) for name in FORMS]


def choose(graph: Any, candidates: Sequence[Candidate], layers: Any, skip: Any) -> list[Candidate]:
    """Return the layers with what the user chose noted as their reason."""
    everything = dict(walk(graph.model))
    wanted = None if layers is None else inside(everything, layers)
    unwanted = inside(everything, skip or ())
    found = []
    for candidate in candidates:
        reason = candidate.reason
        if reason is None and id(candidate.layer) in unwanted:
            reason = "skipped by name"
        elif reason is None and wanted is not None and id(candidate.layer) not in wanted:
            reason = "not chosen"
        found.append(replace(candidate, reason=reason))
    return found


def timed(candidate: Candidate, timing: NetworkLatency) -> Candidate:
    """Return a layer with what it takes on this machine; it stays as it is if that can't be measured."""
    found = replace(candidate, timing=timing.of)
    if candidate.reason is None and not math.isfinite(found.cost.latency or 0.0):
        return replace(candidate, reason="it can't be timed on this runtime")
    return found


def own_ranks(
    graph: Any, candidates: Sequence[Candidate], per_layer: Mapping[Any, Any] | None
) -> dict[str, tuple[Factorization, Any, None]]:
    """Return form and rank of the layers that have their own, by path."""
    everything, found = dict(walk(graph.model)), {}
    for choice, value in (per_layer or {}).items():
        name = choice if isinstance(choice, str) else choice.name
        inner = inside(everything, [choice])
        chosen = [candidate for candidate in candidates if id(candidate.layer) in inner]
        usable = [candidate for candidate in chosen if candidate.reason is None]
        if not usable:
            reason = chosen[0].reason if chosen else "it has no kernel"
            raise InputError(f"The layer {name!r} can't be factorised: {reason}.")
        for candidate in usable:
            named = isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], str | Factorization)
            form, rank = value if named else (None, value)
            if candidate.geometry is None:
                continue
            made = usual_form(candidate.geometry) if form is None else factorizations.get(form)
            reason = made.check(candidate.geometry)
            if reason is not None:
                raise InputError(f"The layer {name!r} has no form {type(made).__name__}: {reason}.")
            find_ranks(made, candidate.geometry, rank)
            found[candidate.path] = (made, rank, None)
    return found


def asked(
    candidate: Candidate, forms: list[Factorization] | None, rank: Any, energy: float | None, budget: Budget | None
) -> tuple[Factorization, Any, float | None] | None:
    """Return the form, rank and energy that are asked for of a layer; None if they are to be chosen."""
    geometry = candidate.geometry
    if budget is not None or geometry is None or (rank is None and energy is None):
        return None
    fitting = [form for form in forms or [usual_form(geometry)] if form.check(geometry) is None]
    return (fitting[0], rank, energy) if fitting else None


def cheaper(option: Option, candidate: Candidate) -> bool:
    """Whether factors cost less than the layer in any way."""
    costs = ((getattr(option.cost, name), getattr(candidate.cost, name)) for name in LIMITS.values())
    return any(after < before for after, before in costs if after is not None)


def why_not(options: list[Option] | None, budget: Budget | None) -> str:
    """Return why a layer that could be factorised stays as it is."""
    if options is None:
        return "none of the forms is for it"
    if budget is None:
        return f"{options[0]} costs no less than it"
    return "no form costs less than it" if not options else "its error would be too large for what it saves"
