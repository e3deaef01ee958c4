"""A report of what a search found: the front, the plan that was chosen, and its network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune.plain_yaml import dump_yaml
from tfprune.report.data import Report
from tfprune.report.environment import environment
from tfprune.report.judged import accuracy_change
from tfprune.report.layers import look_at
from tfprune.report.making import costs, network_parts
from tfprune.report.parts import Change, Front, Point

__all__ = ["mark_of_front", "of_search"]

UNITS = {"params": ("parameters", "count"), "macs": ("MACs", "count"), "latency": ("latency", "ms")}
UNITS |= {"bytes": ("weights", "bytes"), "memory": ("activations", "bytes")}


def of_search(
    told: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], dense: keras.Model | None, best: keras.Model
) -> Report:
    """Return the report.

    Args:
        told: What was found: the content of `front.json`.
        trials: The lines of `trials.jsonl`, without the first.
        dense: The dense network; None if it is not at hand.
        best: The network of the best plan.
    """
    whole, chosen = told["whole"], told["best"]["metrics"]
    plan = told["best"].get("plan") or {}
    seen, before = look_at(best), None if dense is None else look_at(dense)
    front = front_of(told, trials)
    headline = [accuracy_change(front.y, whole.get(front.y), chosen[front.y], None)] if front.y in chosen else []
    headline += [
        Change(name, unit, float(chosen[key]), None if whole.get(key) is None else float(whole[key]))
        for key, (name, unit) in UNITS.items()
        if key in chosen and (key != "latency" or chosen[key] > 0)
    ]
    headline += [change for change in costs(before, seen) if change.unit == "share"]
    forms = plan.get("forms") or {}
    notes = [
        f"{failed} plans could not be made." for failed in [front.failed] if failed
    ] + [
        f"Rank correlation of the error, {rungs}: {value:.2f}."
        for rungs, value in (told.get("correlations") or {}).items()
        if value is not None
    ]  # fmt: skip
    parts = network_parts(before, seen, removed=None if forms else plan.get("remove"))
    parts["notes"] = (*parts["notes"], *notes)
    told_plan = {
        "channels fewer": {name: len(numbers) for name, numbers in (plan.get("remove") or {}).items()},
        "factorised": {
            name: f"{form} {', '.join(f'{rank:.3g}' for rank in ranks)}" for name, (form, ranks) in forms.items()
        },
        "precision": plan.get("precision"),
    }
    recipe = dump_yaml({name: value for name, value in told_plan.items() if value})
    return Report(
        title=best.name,
        source="search",
        about=f"The best of {int(told['trials']):,} plans that were looked at.",
        headline=tuple(headline),
        metric=front.y,
        front=front,
        recipe=recipe,
        environment=environment(),
        command=str(told.get("call") or ""),
        mark=mark_of_front(told),
        **parts,
    )


def mark_of_front(told: Mapping[str, Any]) -> str:
    """Return what tells this result from others."""
    return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()


def front_of(told: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Front:
    """Return the networks that were made on the last rung, by cost and worth."""
    best, whole = told["best"], told["whole"]
    others = [name for name in told["objectives"][1:] if name in best["metrics"]]
    timed = float(best["metrics"].get("latency") or 0) > 0
    x = (others or [name for name in ("latency" if timed else "macs", "macs", "params") if name in best["metrics"]])[0]
    y = "accuracy" if all("accuracy" in values for values in (whole, best["metrics"])) else "error"
    on_front = {tuple(one["point"]) for one in told["front"]}
    points = []
    made = [one for one in trials if isinstance(one, Mapping) and one.get("rung") == best["rung"]]
    for one in sorted(made, key=lambda one: tuple(one["point"])):
        metrics, point = one["metrics"], tuple(one["point"])
        if one.get("failed") is not None or x not in metrics or y not in metrics:
            continue
        role = "whole" if not any(point) else "chosen" if point == tuple(best["point"]) else "trial"
        role = "front" if role == "trial" and point in on_front else role
        points.append(Point(float(metrics[x]), float(metrics[y]), role, _detail(one)))
    if not any(one.role == "whole" for one in points) and x in whole and y in whole:
        points.append(Point(float(whole[x]), float(whole[y]), "whole", "the whole network"))
    if not any(one.role == "chosen" for one in points):
        points.append(Point(float(best["metrics"][x]), float(best["metrics"][y]), "chosen", _detail(best)))
    estimated = sum(isinstance(one, Mapping) and one.get("rung") != best["rung"] for one in trials)
    return Front(x, y, y == "accuracy", tuple(points), estimated, int(told.get("failed") or 0))


def _detail(one: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:,.4g}" if abs(value) < 10000 else f"{name} {value:,.0f}"
        for name, value in one["metrics"].items()
    )
