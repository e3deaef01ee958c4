"""What was used, and what it ran on."""

from __future__ import annotations

import platform

from tfprune.benchmark.host import cpu_model
from tfprune.version import __version__, versions_of

__all__ = ["environment"]

PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy")


def environment() -> dict[str, str]:
    """Return versions of what takes part, the system and the CPU, by name."""
    found = {"tfprune": __version__, "Python": platform.python_version(), **versions_of(*PACKAGES)}
    return {**found, "system": f"{platform.system()} {platform.machine()}", "CPU": cpu_model()}
