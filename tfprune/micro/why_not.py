"""Why no network is small enough for a device: what holds its flash and its RAM, and what would help."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from tfprune.micro.footprint import Footprint
from tfprune.micro.probe import NAMES, Probe
from tfprune.sizes import readable

__all__ = ["why_not"]

SHOWN = 3


def why_not(model: keras.Model, footprint: Footprint, probe: Probe, bounds: Mapping[str, int], round_to: int) -> str:
    """Return the message for a budget that can't be met.

    Args:
        model: The smallest network that is allowed.
        footprint: What it needs.
        probe: The same beside the bounds.
        bounds: The bounds in bytes.
        round_to: Of what kept channels are multiples.
    """
    wanted = ", ".join(f"{NAMES[name]} ≤ {bounds[name]:,} bytes" for name in probe.over)
    reasons = [_flash(model)] if "flash" in probe.over else []
    if "ram" in probe.over:
        reasons.append(_ram(footprint))
    return (
        f"The budget ({wanted}) can't be met: with as few channels as allowed (multiples of {round_to}) the int8 file "
        f"of {model.name!r} still has {probe.flash:,} bytes and needs {probe.ram:,} bytes of RAM. {' '.join(reasons)} "
        f"Give a larger budget{', a smaller round_to' if round_to > 1 else ''} or another network."
    )


def _flash(model: keras.Model) -> str:
    largest = sorted(model.weights, key=lambda weight: -_size(weight))[:SHOWN]
    held = ", ".join(f"{weight.path} ({_size(weight):,} values)" for weight in largest)
    return (
        f"Flash is held by {held} and by the descriptions of {len(model.layers)} layers; pooling before a Dense layer "
        "makes it smaller, fewer layers take less to describe."
    )


def _ram(footprint: Footprint) -> str:
    tables = f"{readable(footprint.persistent_bytes)} are for the interpreter's own tables, less with fewer operations."
    if footprint.peak is None:
        return tables
    tensors = "; ".join(map(str, footprint.peak.tensors[:SHOWN]))
    return (
        f"RAM is held by what is alive at {footprint.peak.operation} (operation {footprint.peak.number}): {tensors}; a "
        f"smaller input, a stride or earlier pooling in front of it would help. {tables}"
    )


def _size(weight: keras.Variable) -> int:
    size = 1
    for axis in weight.shape:
        size *= int(axis or 1)
    return size
