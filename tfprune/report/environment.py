"""What was used, and what it ran on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from tfprune.benchmark.host import cpu_model
from tfprune.version import __version__

__all__ = ["environment"]

PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy")


def environment() -> dict[str, str]:
    """Return versions of what takes part, the system and the CPU, by name."""
    found = {"tfprune": __version__, "Python": platform.python_version()}
    found |= {name: told for name in PACKAGES if (told := version_of(name))}
    return {**found, "system": f"{platform.system()} {platform.machine()}", "CPU": cpu_model()}


def version_of(package: str) -> str:
    """Return the version of a package; nothing if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
