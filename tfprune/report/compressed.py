"""A report of what a recipe did, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune.errors import InputError
from tfprune.plain_yaml import load_yaml
from tfprune.report.data import Report
from tfprune.report.environment import environment
from tfprune.report.judged import accuracy_change
from tfprune.report.layers import look_at
from tfprune.report.making import costs, network_parts
from tfprune.report.parts import Change, File, Stage
from tfprune.report.scores import weight_criterion

__all__ = ["COSTS", "final_of", "mark_of_state", "metric_of", "of_compress"]

COSTS = ("parameters", "macs", "bytes", "zeros")

COMMAND = "tfprune compress MODEL.keras --data DATA.npz --recipe recipe.yaml --out NEW_FOLDER"


def of_compress(
    state: Mapping[str, Any],
    recipe: str,
    dense: keras.Model | None,
    small: keras.Model,
    *,
    metric: str | None = None,
    samples: int | None = None,
) -> Report:
    """Return the report.

    Args:
        state: What was measured: the content of `metrics.json`.
        recipe: The recipe as YAML.
        dense: The dense network; None if it is not at hand.
        small: What has come out.
        metric: The metric that counts; by default the recipe's, or the first accuracy, else the first metric.
        samples: How many samples it was measured on, which says how sure it is; None if nobody knows.
    """
    config = load_yaml(recipe) or {}
    whole, final = state["whole"], final_of(state)["measured"]
    name = metric or config.get("metric") or metric_of(whole)
    seen, before = look_at(small), None if dense is None else look_at(dense)
    files = tuple(_file(entry) for entry in (state.get("exported") or {}).values())
    headline = [_accuracy(name, whole[name], final[name], samples, files)] if name in final else []
    headline += _of_files(files, whole) or [Change("weights", "bytes", float(final["bytes"]), float(whole["bytes"]))]
    headline += [
        Change(told, unit, float(final[key]), float(whole[key]))
        for told, unit, key in (("parameters", "count", "parameters"), ("MACs", "count", "macs"))
    ]
    headline += [change for change in costs(before, seen) if change.unit == "share"]
    stages = [Stage("dense", _numbers(whole))]
    stages += [
        Stage(str(one["method"]), _numbers(one["measured"]), bool(one["kept"]), float(one["seconds"]))
        for one in state["done"]
    ]
    parts = network_parts(before, seen, criterion=_criterion(config))
    history, epochs = by_epoch(state.get("epochs") or [])
    return Report(
        title=str(config.get("name") or small.name),
        source="compress",
        about=str(config.get("about") or ""),
        headline=tuple(headline),
        metric=name,
        stages=tuple(stages),
        history=history,
        epochs=epochs,
        files=files,
        recipe=recipe,
        environment=environment(),
        command=COMMAND,
        mark=mark_of_state(state),
        **parts,
    )


def final_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the stage whose network came out: the last one, or the last above the floor."""
    done = state["done"]
    if not done:
        raise ValueError("no stage is done")
    found: Mapping[str, Any] = next((one for one in reversed(done) if one["kept"]), done[-1])
    return found


def by_epoch(
    entries: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, tuple[float | None, ...]], tuple[str, ...]]:
    """Return the values of all epochs by name, None where there is none, and what the epochs are called."""
    names = dict.fromkeys(name for one in entries for name in one["values"])
    columns = {name: tuple(_float(one["values"].get(name)) for one in entries) for name in names}
    return columns, tuple(f"{one['name']}, epoch {int(one['epoch']) + 1}" for one in entries)


def mark_of_state(state: Mapping[str, Any]) -> str:
    """Return what tells this work, as far as it got, from others."""
    return f"{state['mark']}-{len(state['done'])}"


def metric_of(whole: Mapping[str, float]) -> str:
    """Return the metric that counts where nobody says which: an accuracy, else another metric, else the loss."""
    names = [name for name in whole if name not in COSTS]
    good = [name for name in names if "acc" in name or "auc" in name.lower()]
    return (good or [name for name in names if name != "loss"] or names)[0]


def _accuracy(name: str, before: float, after: float, samples: int | None, files: tuple[File, ...]) -> Change:
    """Return the change of the metric; of an accuracy that of the smallest file, whose size and latency are told."""
    best = min(files, key=lambda file: file.bytes, default=None)
    if best is None or best.right is None or "acc" not in name:
        return accuracy_change(name, before, after, samples)
    counted = "" if samples is None else f", on {samples:,} samples"
    return accuracy_change(name, before, best.right, samples, f"{best.name}, by the interpreter{counted}")


def _of_files(files: tuple[File, ...], whole: Mapping[str, float]) -> list[Change]:
    """Return size and latency of the smallest file, beside the weights of the dense network."""
    if not files:
        return []
    best = min(files, key=lambda file: file.bytes)
    found = [Change("file", "bytes", float(best.bytes), float(whole["bytes"]), note=f"{best.name}, before: weights")]
    if best.ms is not None:
        found.append(Change("latency", "ms", best.ms, best.dense_ms, note=f"{best.name}, median, taking turns"))
    return found


def _file(entry: Mapping[str, Any]) -> File:
    return File(
        name=str(entry["file"]),
        bytes=int(entry["bytes"]),
        right=entry.get("top_class"),
        ms=entry.get("milliseconds"),
        dense_ms=entry.get("dense_milliseconds"),
        speedup=entry.get("speedup"),
        agreement=str(entry.get("agreement") or ""),
    )


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _criterion(config: Mapping[str, Any]) -> Any:
    """Return the criterion of the last stage that names one, if the weights alone are enough for it; else magnitude."""
    stages = config.get("stages") or []
    named = [one["criterion"] for one in stages if isinstance(one, Mapping) and one.get("criterion")]
    try:
        weight_criterion(named[-1] if named else "magnitude")
    except InputError:
        return "magnitude"
    return named[-1] if named else "magnitude"
