"""Devices: what pays there, and what their runtime refuses.

A target says how many channels suit a device, which zeros make its runtime faster, and how weights may be stored. The
facts are those of LiteRT 2.3 with XNNPACK, and of TFLite Micro; each was measured, or read in the source of the
runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tfprune.errors import InputError, nearest

__all__ = ["TARGETS", "Target", "find_target", "register_target"]

PRECISIONS = ("float32", "float16", "dynamic", "int8", "int16x8")


@dataclass(frozen=True)
class Target:
    """A device, or a kind of devices.

    Args:
        name: Its name, as in `PruneCallback(target="android-cpu")`.
        about: What it is, in a sentence.
        precisions: How weights may be stored: of `"float32"`, `"float16"`, `"dynamic"`, `"int8"` and `"int16x8"`.
        align: Numbers of channels should be multiples of this, by precision; others run slower than the next multiple.
        sparse_convolutions: Precisions in which zeros of 1 × 1 convolutions are skipped, where the network's form
            allows.
        sparse_dense: Precisions in which Dense layers with blocks of 1 × 4 zeros run faster.
        stores_sparse: Whether files with sparse weights can be loaded at all.
        gains: What zeros were seen to bring, in a sentence.

    Raises:
        InputError: If a precision is unknown or an alignment is not positive.

    Example:
        >>> find_target("android-cpu").channels("int8")
        16
    """

    name: str
    about: str = ""
    precisions: tuple[str, ...] = PRECISIONS
    align: Mapping[str, int] = field(default_factory=lambda: {"float32": 8, "float16": 8, "int8": 16})
    sparse_convolutions: tuple[str, ...] = ()
    sparse_dense: tuple[str, ...] = ()
    stores_sparse: bool = True
    gains: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"The target's name is {self.name!r}; give a string that is not empty.")
        for one in (*self.precisions, *self.align, *self.sparse_convolutions, *self.sparse_dense):
            if one not in PRECISIONS:
                raise InputError(f"Unknown precision {one!r} of the target {self.name!r}. {nearest(one, PRECISIONS)}")
        for precision, channels in self.align.items():
            if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
                raise InputError(f"Channels of {precision} in multiples of {channels!r}; give an int from 1.")

    def get_config(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: plain(value) for name, value in values.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Target:
        """Make a target of `get_config()`'s result."""
        made: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in config.items()}
        return cls(**made)

    def channels(self, precision: str = "float32") -> int:
        """Return what numbers of channels should be multiples of."""
        return self.align.get(precision, self.align.get("float32", 1))


def plain(value: Any) -> Any:
    """Return a field as JSON has it."""
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


TARGETS: dict[str, Target] = {}


def register_target(target: Target) -> Target:
    """Make a target known by its name; one of that name is replaced.

    Example:
        >>> register_target(Target("my-board", "A board with 16-wide vectors", align={"float32": 16})).channels()
        16
        >>> find_target("my-board").about
        'A board with 16-wide vectors'
        >>> del TARGETS["my-board"]
    """
    if not isinstance(target, Target):
        raise InputError(f"{target!r} is not a Target; make one: tfprune.targets.Target('my-board', align={{…}}).")
    TARGETS[target.name] = target
    return target


def find_target(given: str | Target) -> Target:
    """Return the target that is meant.

    Args:
        given: A name or a target.

    Raises:
        InputError: If the name is not known; the message has the nearest one.
    """
    if isinstance(given, Target):
        return given
    if isinstance(given, str) and given in TARGETS:
        return TARGETS[given]
    raise InputError(f"Unknown target {given!r}. {nearest(str(given), TARGETS)} Or give a tfprune.targets.Target.")


ON_ARM: dict[str, Any] = {
    "sparse_convolutions": ("float32", "float16"),
    "sparse_dense": ("float32",),
    "gains": "zeros of 1 × 1 convolutions: 1.2–2.4× on phones, as published by Google in 2021, not measured here",
}
"""What LiteRT with XNNPACK does on any 64-bit ARM CPU."""

register_target(Target("android-cpu", "The CPU of an Android phone, by LiteRT with XNNPACK", **ON_ARM))
register_target(Target("arm-cpu", "A 64-bit ARM CPU, such as a Raspberry Pi's, by LiteRT with XNNPACK", **ON_ARM))
register_target(
    Target(
        "x86-cpu",
        "A PC's CPU with AVX, by LiteRT with XNNPACK",
        sparse_dense=("float32",),
        gains="Dense layers with blocks of 1 × 4 zeros (benchmarks/block_sparse_dense.py); never zeros of convolutions",
    )
)
register_target(
    Target(
        "microcontroller",
        "A microcontroller, by TFLite Micro",
        precisions=("float32", "int8"),
        align={"float32": 4, "int8": 4},
        stores_sparse=False,
        gains="None: its interpreter can't load sparse weights; fewer channels are what counts",
    )
)
