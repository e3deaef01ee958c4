"""What a network is worth on a device: which zeros the runtime skips, what it can't load, what it gets wrong.

Example:
    >>> from tfprune.targets import TARGETS
    >>> sorted(TARGETS)
    ['android-cpu', 'arm-cpu', 'microcontroller', 'x86-cpu']
"""

from tfprune.linting.linter import lint
from tfprune.linting.report import LintReport
from tfprune.xnnpack.findings import Finding
from tfprune.xnnpack.network import Network, read_network

__all__ = ["Finding", "LintReport", "Network", "lint", "read_network"]
