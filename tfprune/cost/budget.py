"""What a network may cost when channels have been removed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfprune.cost.network import Cost
from tfprune.errors import InputError, nearest
from tfprune.numbers import is_integer, is_real
from tfprune.registry import Configurable
from tfprune.sizes import bytes_of

__all__ = ["DEVICE", "LIMITS", "STORED", "Budget", "as_arguments", "network_only", "parse_budget"]

LIMITS = {"params": "parameters", "macs": "macs", "bytes": "bytes", "latency": "latency"}
"""The names of bounds, and of what they bound in a `Cost`."""

STORED = (None, "int8")
"""How a file may store what it computes with, for its latency."""

DEVICE = ("flash", "ram")
"""The names of bounds of a microcontroller, which only a converted model can be compared with."""


@keras.saving.register_keras_serializable(package="tfprune")
@dataclass(frozen=True)
class Budget(Configurable):
    """Upper bounds on what a network may cost; all that are given must hold.

    Args:
        params: Parameters: a fraction of those that there are, in (0, 1], or a number of them.
        macs: Multiply-accumulates for one sample, likewise.
        bytes: Bytes of the weights, likewise.
        latency: Time for one sample on this machine: a fraction of what the network takes, in (0, 1], or a string with
            milliseconds, as `"0.8 ms"`. It is predicted from a table of single operations timed by the interpreter.
        quantize: Which file's latency that is: None for float32, or `"int8"`, as of `to_tflite(…, quantize="int8")`.
        flash: Bytes of the int8 .tflite file on a microcontroller: an int, or a string such as `"256kB"` (1000 bytes
            each) or `"256KiB"` (1024). This and `ram` are known once a network has been converted, so that they are
            for `tfprune.micro.fit_device` and the recipe `tiny`; everything else refuses them.
        ram: Bytes of the tensor arena that TensorFlow Lite Micro needs for that file, likewise.

    Raises:
        InputError: If a bound is not one of these, or none is given.

    Example:
        >>> Budget(macs=0.5).bounds(Cost(parameters=1000, bytes=4000, macs=50_000))
        {'macs': 25000}
        >>> Budget(flash="256kB", ram="64KiB").device()
        {'flash': 256000, 'ram': 65536}
    """

    params: float | int | None = None
    macs: float | int | None = None
    bytes: float | int | None = None
    latency: float | str | None = None
    flash: int | str | None = None
    ram: int | str | None = None
    quantize: str | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in LIMITS if getattr(self, name) is not None}
        if not given and not self.device():
            raise InputError("This budget has no bound; give one, such as Budget(macs=0.5) for half of them.")
        if self.quantize not in STORED:
            raise InputError(f"The budget's quantize is {self.quantize!r}; give None (float32) or 'int8'.")
        if self.quantize is not None and self.latency is None:
            raise InputError("quantize says which file's latency is bounded; give latency= as well, or leave it out.")
        if self.latency is not None:
            milliseconds(given.pop("latency"))
        for name, value in given.items():
            fraction = is_real(value) and not is_integer(value)
            if not (0.0 < value <= 1.0 if fraction else is_integer(value) and value >= 1):
                raise InputError(
                    f"The budget's {name} is {value!r}; give the fraction to keep as a float in (0, 1], or a count."
                )

    def __str__(self) -> str:
        names = (*LIMITS, *DEVICE, "quantize")
        bounds = ", ".join(f"{name}={getattr(self, name)}" for name in names if getattr(self, name) is not None)
        return f"Budget({bounds})"

    def device(self) -> dict[str, int]:
        """Return the bounds of a microcontroller in bytes, by name."""
        given = {name: getattr(self, name) for name in DEVICE}
        return {name: bytes_of(value, f"The budget's {name}") for name, value in given.items() if value is not None}

    def bounds(self, whole: Cost) -> dict[str, float]:
        """Return the bounds as counts, and milliseconds, given what the whole network costs.

        Raises:
            InputError: If there is a bound of latency and that of the network is not known, or one of flash or RAM.
        """
        network_only(self)
        found: dict[str, float] = {
            name: int(value if is_integer(value) else value * getattr(whole, LIMITS[name]))
            for name in ("params", "macs", "bytes")
            if (value := getattr(self, name)) is not None
        }
        if self.latency is not None:
            if whole.latency is None:
                raise InputError("The latency of the whole network is not known here; give a budget without latency.")
            value = milliseconds(self.latency)
            found["latency"] = value if isinstance(self.latency, str) else value * whole.latency
        return found

    def absolute(self, whole: Cost) -> Budget:
        """Return the same bounds as counts and milliseconds, for a network that may be another one by then."""
        return Budget(**as_arguments(self.bounds(whole)), quantize=self.quantize)

    def met(self, cost: Cost, whole: Cost) -> bool:
        """Whether a network is within all bounds."""
        return not self.excess(cost, whole)

    def excess(self, cost: Cost, whole: Cost) -> dict[str, float]:
        """Return by how much each bound is exceeded, for those that are."""
        over: dict[str, Any] = {name: getattr(cost, LIMITS[name]) - bound for name, bound in self.bounds(whole).items()}
        return {name: count for name, count in over.items() if count > 0}


def network_only(budget: Any) -> None:
    """Refuse bounds that can't be compared with a network before it is converted.

    Raises:
        InputError: If the budget bounds flash or RAM; with what takes such bounds.
    """
    if isinstance(budget, Budget) and budget.device():
        raise InputError(
            f"{budget} bounds what a microcontroller has ({' and '.join(budget.device())}), which a network needs only "
            "once it has been converted; tfprune.micro.fit_device(model, budget, data=…) and the recipe 'tiny' take "
            "such a budget. Here, bound params (each is about a byte of flash) or macs, as Budget(params=0.25)."
        )


def as_arguments(bounds: Mapping[str, float]) -> dict[str, Any]:
    """Return counts and milliseconds as a budget takes them."""
    return {name: f"{value} ms" if name == "latency" else int(value) for name, value in bounds.items()}


def milliseconds(value: Any) -> float:
    """Return a fraction, or the number of a string with milliseconds.

    Raises:
        InputError: If it is neither.
    """
    number = value
    if isinstance(value, str):
        try:
            number = float(value.removesuffix("ms"))
        except ValueError:
            number = 0.0
        if number > 0.0 and math.isfinite(number):
            return float(number)
    elif is_real(value) and not isinstance(value, bool) and 0.0 < value <= 1.0:
        return float(value)
    raise InputError(
        f"The budget's latency is {value!r}; give the fraction to keep as a float in (0, 1], or a time as '0.8 ms'."
    )


def parse_budget(texts: Sequence[str] | None, *, device: bool = False) -> Budget | None:
    """Return bounds such as `"macs=0.5"` and `"params=100000"` as one budget; None if there are none.

    Args:
        texts: The bounds.
        device: Whether those of a microcontroller may be among them, as `"flash=256kB"`.

    Raises:
        InputError: If a bound is not of that form, or not allowed.

    Example:
        >>> print(parse_budget(["macs=0.5", "bytes=200000"]))
        Budget(macs=0.5, bytes=200000)
    """
    if not texts:
        return None
    bounds: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in LIMITS and name not in DEVICE and name != "quantize":
            raise InputError(f"Unknown bound {name!r} in the budget {text!r}. {nearest(name, [*LIMITS, *DEVICE])}")
        if name == "quantize":
            bounds[name] = value
            continue
        if name in DEVICE or (name == "latency" and value.endswith("ms")):
            bounds[name] = int(value) if value.isdigit() else value
            continue
        try:
            bounds[name] = int(value) if value.isdigit() else float(value)
        except ValueError:
            raise InputError(f"{value!r} in the budget {text!r} is no number; give one such as macs=0.5.") from None
    budget = Budget(**bounds)
    if not device:
        network_only(budget)
    return budget
