"""`tfprune.report.make`: a report of two models."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfprune.errors import InputError
from tfprune.files import PathLike, check_destination
from tfprune.pruning.channels.plan import ChannelPlan
from tfprune.report.channels import channel_rows, find_kept
from tfprune.report.data import Report
from tfprune.report.environment import environment
from tfprune.report.judged import judged
from tfprune.report.layers import Seen, counterparts, layer_rows, look_at
from tfprune.report.parts import Change
from tfprune.report.scores import scored, weight_criterion
from tfprune.report.times import latency_change, shared, timed_files, waterfalls_of
from tfprune.report.weights import pictures_of

__all__ = ["costs", "make", "network_parts"]


def make(
    dense: keras.Model | None,
    small: keras.Model,
    out: PathLike | None = None,
    *,
    val: Any = None,
    plan: ChannelPlan | None = None,
    history: Any = None,
    criterion: Any = "magnitude",
    latency: bool = False,
    layers: bool = False,
    title: str | None = None,
    about: str = "",
    command: str = "",
    date: str = "",
    benchmark: Mapping[str, float | int] | None = None,
    overwrite: bool = False,
) -> Report:
    """Look at two networks, and return what the way from one to the other did as a report.

    Args:
        dense: The network as it was; None if there is only the small one.
        small: What was made of it.
        out: A file to write the report to, ending in `.html`, `.md` or `.json`.
        val: Data to judge both on: `(x, y)` or anything `evaluate` takes. One model at least
            has to be compiled.
        plan: The plan by which channels were removed, if there was one: it knows which, why others stay, and what error
            was predicted. Without it the report shows what the smaller model remembers or its weights prove.
        history: What `fit` returned, or values by epoch by name: drawn as curves.
        criterion: What says how much weights matter, by name or as an object; one that needs the weights alone. The
            table of layers shows which part of the scores is left.
        latency: Whether both are exported and timed by the interpreter, taking turns; it takes seconds.
        layers: Whether they are also timed layer by layer, each for some seconds.
        title: The title; by default the small model's name.
        about: A sentence about it.
        command: What makes the same again.
        date: When it was made, as `"2026-11-26"`; nothing by default, so that equal input gives an equal report.
        benchmark: Options of `tfprune.benchmark.run`, and of `layers` as far as they share them, such as
            `{"min_seconds": 0.2}`.
        overwrite: Whether `out` may be replaced.

    Returns:
        The report.

    Raises:
        InputError: If a model has no weights yet, the criterion needs more than weights, `val` is given and no model is
            compiled, or `out` can't be written.

    Example:
        >>> inputs = keras.Input((8,))
        >>> hidden = keras.layers.Dense(16, activation="relu", name="hidden")(inputs)
        >>> dense = keras.Model(inputs, keras.layers.Dense(2, name="head")(hidden), name="net")
        >>> small = tfprune.prune_filters(dense, 0.5, verbose=0)
        >>> report = make(dense, small)
        >>> report.channels[0].left, report.channels[0].size
        (8, 16)
    """
    if out is not None and check_destination(out, overwrite=overwrite).suffix.lower() not in (".html", ".md", ".json"):
        raise InputError(f"{out} does not end in .html, .md or .json; give a path that does.")
    weight_criterion(criterion)
    seen, whole = look_at(small), None if dense is None else look_at(dense)
    parts = network_parts(whole, seen, plan=plan, criterion=criterion)
    headline = [*(() if val is None else judged(dense, small, val)), *costs(whole, seen)]
    if latency or layers:
        with tempfile.TemporaryDirectory(prefix="tfprune-report-") as folder:
            files = timed_files([one for one in (dense, small) if one is not None], Path(folder))
            headline.append(latency_change(files, benchmark))
            if layers:
                parts["waterfalls"] = waterfalls_of(files, benchmark)
                parts["layers"] = shared(parts["layers"], parts["waterfalls"][-1])
    report = Report(
        title=title or small.name,
        source="models",
        about=about,
        headline=tuple(headline),
        metric=None if val is None or not headline else headline[0].name,
        history=curves(history),
        environment=environment(),
        command=command,
        date=date,
        **parts,
    )
    if out is not None:
        report.save(out, overwrite=overwrite)
    return report


def network_parts(
    dense: Seen | None,
    small: Seen,
    *,
    plan: ChannelPlan | None = None,
    removed: Mapping[str, Sequence[int]] | None = None,
    criterion: Any = "magnitude",
) -> dict[str, Any]:
    """Return what a report says of layers, channels and weights, by the names of its fields.

    Args:
        dense: The dense network; None if it is not known.
        small: The smaller one.
        plan: The plan by which channels were removed, if there was one.
        removed: Numbers of the channels that were removed, by group, if that is all that is known of the plan.
        criterion: What scores weights, by name or as an object.
    """
    judge = weight_criterion(criterion)
    notes = [
        f"{name} can't be traced: {one.why}" for name, one in (("the dense network", dense), ("this network", small))
        if one is not None and one.why
    ]  # fmt: skip
    if dense is None or dense.graph is None:
        return {
            "layers": layer_rows(dense, small),
            "weights": pictures_of(dense, small, {} if dense is None else counterparts(dense, small), {}),
            "notes": tuple(notes),
        }
    pairs = counterparts(dense, small)
    removed = removed if plan is None else plan.remove
    kept = find_kept(dense, small, pairs, removed)
    why = {path: group.reason for group in dense.graph.groups if group.reason for path in group.layers}
    channels = channel_rows(dense, small, pairs, kept)
    unknown = sum(not row.runs for row in channels)
    if unknown:
        notes.append(
            f"Of {unknown} channel groups it is not recorded which channels are left, only how many as far as known."
        )
    rows = layer_rows(dense, small, reasons=why, predicted=None if plan is None else plan.predicted_layers or None)
    return {
        "layers": scored(rows, dense, small, pairs, kept, judge),
        "criterion": criterion if isinstance(criterion, str) else str(judge),
        "channels": channels,
        "weights": pictures_of(dense, small, pairs, kept),
        "notes": tuple(notes),
    }


def costs(dense: Seen | None, small: Seen) -> list[Change]:
    """Return what two networks cost: parameters, multiply-accumulates, bytes of the weights, and zeros if any."""
    found = []
    before = None if dense is None or dense.cost is None else dense.cost.whole
    if small.cost is not None:
        after = small.cost.whole
        for name, unit, field in (
            ("parameters", "count", "parameters"),
            ("MACs", "count", "macs"),
            ("weights", "bytes", "bytes"),
        ):
            found.append(
                Change(
                    name, unit, float(getattr(after, field)), None if before is None else float(getattr(before, field))
                )
            )
    zeros = [pair for path in small.kernels if (pair := small.zeros(path)) is not None]
    share = sum(pair[0] for pair in zeros) / max(sum(pair[1] for pair in zeros), 1)
    if share >= 0.005:
        old = [pair for path in (dense.kernels if dense else ()) if dense and (pair := dense.zeros(path)) is not None]
        was = sum(pair[0] for pair in old) / max(sum(pair[1] for pair in old), 1) if dense else None
        found.append(Change("zeros in kernels", "share", share, was, more=True))
    return found


def curves(history: Any) -> dict[str, tuple[float, ...]]:
    """Return values by epoch of what `fit` returned, or of a mapping; those that are numbers.

    Raises:
        InputError: If it is something else.
    """
    if history is None:
        return {}
    values = getattr(history, "history", history)
    if not isinstance(values, Mapping):
        raise InputError(f"history is {type(history).__name__}; give what fit() returned, or lists of numbers by name.")
    found = {}
    for name, column in values.items():
        array = np.asarray(column, dtype=np.float64) if len(column) else np.zeros(0)
        if array.ndim == 1 and array.size and np.isfinite(array).all():
            found[str(name)] = tuple(float(value) for value in array)
    return found
