"""What two networks reach on the same data, and how sure that is."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import tree

from tfprune.distillation.teacher import snapshot
from tfprune.errors import InputError
from tfprune.report.parts import Change

__all__ = ["accuracy_change", "judged", "looks_better", "samples_in", "wilson"]

BATCH = 128

Z = 1.959963984540054


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return where a share lies with 95 % that was seen in `count` samples.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Example:
        >>> low, high = wilson(0.9, 1000)
        >>> round(low, 3), round(high, 3)
        (0.88, 0.917)
    """
    middle = share + Z * Z / (2 * count)
    spread = Z * math.sqrt(max(share * (1 - share), 0.0) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def looks_better(name: str) -> bool:
    """Whether more of a metric of that name is better."""
    return "acc" in name or "auc" in name.lower() or name in ("precision", "recall", "f1_score")


def samples_in(data: Any) -> int | None:
    """Return how many samples there are in arrays; None of anything else."""
    x = data[0] if isinstance(data, tuple) else data
    arrays = [one for one in tree.flatten(x) if hasattr(one, "shape") and len(one.shape)]
    return int(arrays[0].shape[0]) if arrays else None


def accuracy_change(name: str, before: float | None, after: float, samples: int | None, note: str = "") -> Change:
    """Return the change of a metric, with its uncertainty where it is an accuracy over a known number of samples."""
    share = "acc" in name
    ranges = [
        wilson(value, samples) if share and samples and value is not None and 0 <= value <= 1 else None
        for value in (after, before)
    ]
    told = note or ("" if samples is None else f"on {samples:,} samples")
    return Change(name, "share" if share else "", after, before, ranges[0], ranges[1], looks_better(name), told)


def judged(dense: keras.Model | None, small: keras.Model, val: Any) -> tuple[Change, ...]:
    """Return what both networks reach on validation data, by metric, the one that counts first.

    The loss is left out where there is another metric.

    Args:
        dense: The dense network; None if there is none.
        small: The smaller one; a copy of it is compiled as the dense one is if it is not.
        val: `(x, y)`, `(x, y, sample_weight)` or anything `evaluate` takes.

    Raises:
        InputError: If neither is compiled with a loss.
    """
    found: list[dict[str, float]] = []
    config = _compilation(small) or (None if dense is None else _compilation(dense))
    if config is None:
        raise InputError(f"{small.name!r} is not compiled, so that val can't be judged; compile it with a loss first.")
    for model in (small, dense):
        if model is None:
            found.append({})
            continue
        if _compilation(model) is None:
            model = snapshot(model)
            model.compile_from_config(config)
        x, *rest = val if isinstance(val, tuple) else (val,)
        more = dict(zip(("y", "sample_weight"), rest, strict=False))
        if samples_in(val) is not None:
            more["batch_size"] = BATCH
        values = model.evaluate(x, verbose=0, return_dict=True, **more)
        found.append({name: float(value) for name, value in values.items()})
    after, before = found
    names = [name for name in after if np.isfinite(after[name])]
    names.sort(key=lambda name: (name == "loss", "acc" not in name))
    samples = samples_in(val)
    names = names[:-1] if len(names) > 1 and names[-1] == "loss" else names
    return tuple(accuracy_change(name, before.get(name), after[name], samples) for name in names)


def _compilation(model: keras.Model) -> Any:
    config = model.get_compile_config() if getattr(model, "compiled", False) else None
    return config if config and config.get("loss") else None
