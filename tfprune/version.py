"""The version of tfprune, and those of packages beside it."""

from __future__ import annotations

import sys

__version__ = "0.1.0"


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of those packages that are installed, by name."""
    return {package: found for package in packages if (found := version_of(package))}


def version_of(package: str) -> str:
    """Return the version of a package, nothing if it is not installed.

    One that comes from a distribution of another name, as TensorFlow from tensorflow-cpu, is known once it is imported.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return str(getattr(sys.modules.get(package.replace("-", "_")), "__version__", ""))
