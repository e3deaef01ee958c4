"""The environment variables of a Python process that this one starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import tfprune

__all__ = ["child_environment"]


def child_environment(**settings: str) -> dict[str, str]:
    """Return variables with which another Python finds the packages that this one finds, and warns of nothing.

    Args:
        **settings: Variables of its own.

    Example:
        >>> child_environment(OMP_NUM_THREADS="1")["OMP_NUM_THREADS"]
        '1'
    """
    packages = str(Path(tfprune.__path__[0]).resolve().parent)
    path = os.pathsep.join([packages, *filter(None, sys.path[1:])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", **settings}
