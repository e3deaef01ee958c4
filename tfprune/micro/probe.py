"""One network on its way to a device: what it needs beside what there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfprune.cost import Cost
from tfprune.micro.footprint import Footprint
from tfprune.sizes import readable

__all__ = ["NAMES", "Probe"]

NAMES = {"flash": "flash", "ram": "RAM"}


@dataclass(frozen=True)
class Probe:
    """What a network that was tried needs.

    Args:
        macs: Its multiply-accumulates.
        params: Its parameters.
        flash: Bytes of its int8 file.
        ram: Bytes of the arena that TensorFlow Lite Micro needs for it.
        over: By how many bytes each bound is exceeded; empty if it fits.

    Example:
        >>> probe = Probe(macs=1_200_000, params=90_000, flash=98_304, ram=70_000, over={"flash": 32_768})
        >>> probe.fits
        False
        >>> print(probe)
        90,000 parameters, 1,200,000 MACs: 98.3 kB of flash, 70.0 kB of RAM, too large (flash by 32.8 kB)
    """

    macs: int
    params: int
    flash: int
    ram: int
    over: Mapping[str, int]

    @classmethod
    def of(cls, cost: Cost, footprint: Footprint, bounds: Mapping[str, int]) -> Probe:
        """Return what a measured network is beside some bounds in bytes."""
        needs = {"flash": footprint.flash_bytes, "ram": footprint.arena_bytes}
        over = {name: needs[name] - bound for name, bound in bounds.items() if needs[name] > bound}
        return cls(cost.macs, cost.parameters, needs["flash"], needs["ram"], over)

    @property
    def fits(self) -> bool:
        """Whether it is within all bounds."""
        return not self.over

    def __str__(self) -> str:
        above = ", ".join(f"{NAMES[name]} by {readable(size)}" for name, size in self.over.items())
        told = f"too large ({above})" if above else "fits"
        return (
            f"{self.params:,} parameters, {self.macs:,} MACs: {readable(self.flash)} of flash, {readable(self.ram)} of "
            f"RAM, {told}"
        )
