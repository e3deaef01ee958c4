"""Stages for microcontrollers: a network that fits into flash and RAM, and the files that go onto the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tfprune.cost import CostModel
from tfprune.cost.budget import parse_budget
from tfprune.errors import InputError
from tfprune.export import to_c_array
from tfprune.files import write_atomically
from tfprune.graph import trace
from tfprune.micro.conversion import convert_and_measure
from tfprune.micro.fit import check_choices, device_bounds, fit
from tfprune.micro.measure import TIMEOUT, require_runtime
from tfprune.micro.probe import Probe
from tfprune.numbers import is_integer
from tfprune.recipe.base import Names, Stage, names_of, stages
from tfprune.recipe.export import top_class

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["ExportDevice", "FitDevice"]


@stages.register("fit_device")
@dataclass(frozen=True, kw_only=True)
class FitDevice(Stage):
    """Remove filters until the int8 file fits into a microcontroller; see `tfprune.micro.fit_device`.

    Args:
        budget: What the device has: `["flash=256kB", "ram=128kB"]`, or one of them.
        round_to: Kept channels are a multiple of this.
        scope: `"greedy"`, `"layer"` or None.
        probes: How many networks are measured at most on each way.
        samples: How many training samples the channels are chosen and refitted with at most.

    Example:
        >>> print(FitDevice(budget=["flash=256kB", "ram=128kB"], round_to=8))
        fit_device(budget=['flash=256kB', 'ram=128kB'], round_to=8)
    """

    method: ClassVar[str] = "fit_device"
    budget: Names = None
    round_to: int = 4
    scope: str | None = None
    probes: int = 7
    samples: int = 1024

    def __post_init__(self) -> None:
        bounds_of(self.budget)
        check_choices(self.scope, self.probes, self.round_to)
        if not is_integer(self.samples) or self.samples < 1:
            raise InputError(f"samples is {self.samples!r}; give an int from 1.")

    def run(self, work: Work) -> None:
        """Cut and refit."""
        fitted = fit(
            work.model, bounds_of(self.budget), data=work.train, calibration=work.inputs(), round_to=self.round_to,
            scope=self.scope, probes=self.probes, samples=self.samples, timeout=TIMEOUT, seed=work.seed, tell=work.log,
        )  # fmt: skip
        work.model = fitted.model


@stages.register("export_device")
@dataclass(frozen=True, kw_only=True)
class ExportDevice(Stage):
    """Write what goes onto a microcontroller: an int8 file, with int8 inputs and outputs, and the same as C++.

    Args:
        budget: What the device has, to be checked once more on the network that has come out; None checks nothing.
        name: What the C++ array is called.

    Example:
        >>> print(ExportDevice(budget="flash=64kB", name="keyword_spotting"))
        export_device(budget=flash=64kB, name=keyword_spotting)
    """

    method: ClassVar[str] = "export_device"
    budget: Names = None
    name: str = "model"

    def __post_init__(self) -> None:
        if self.budget is not None:
            bounds_of(self.budget)

    def run(self, work: Work) -> None:
        """Export and measure."""
        require_runtime()
        work.settle()
        made = convert_and_measure(work.model, work.inputs(), timeout=TIMEOUT, seed=work.seed)
        if self.budget is not None:
            probe = Probe.of(CostModel(trace(work.model)).whole, made.footprint, bounds_of(self.budget))
            if not probe.fits:
                raise InputError(
                    f"The network that is left does not fit the budget: {probe}. Put a fit_device stage before, lower "
                    "the floor that brought a larger network back, or give a larger budget."
                )
        path = work.folder / "model_micro.tflite"
        write_atomically(path, made.content)
        needs = made.footprint
        array = to_c_array(path, path.with_suffix(".h"), name=self.name, arena_bytes=needs.arena_bytes, overwrite=True)
        found: dict[str, Any] = {
            "file": path.name, "bytes": needs.flash_bytes, "agreement": str(made.export.parity),
            "arena_bytes": needs.arena_bytes, "max_steps": needs.max_steps,
            "c_array": [array.header.name, array.source.name],
        }  # fmt: skip
        right = top_class(path, work.val)
        if right is not None:
            found["top_class"] = right
        work.exported["micro"] = found
        work.log(str(needs).replace(needs.path.name, path.name, 1))
        work.log(str(array))


def bounds_of(budget: Names) -> dict[str, int]:
    """Return what a device has, in bytes.

    Raises:
        InputError: If it is not bounds of flash and RAM.
    """
    names = names_of(budget)
    if not names:
        raise InputError("There is no budget; give what the device has, as ['flash=256kB', 'ram=128kB'].")
    return device_bounds(parse_budget(names, device=True))
