"""The memory of this process: how much it holds now and the most it ever held."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

__all__ = ["forget_peak", "peak_bytes"]


def peak_bytes() -> int | None:
    """Return the most resident memory this process has held, in bytes, or None where the system can't tell.

    On Linux it is read from `/proc/self/status`: `ru_maxrss` there also counts the memory that the *parent* held when
    it started this process, which is hundreds of megabytes if the parent has loaded TensorFlow.

    Returns:
        Bytes, or None.
    """
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(errors="replace"), re.MULTILINE)
        if found:
            return int(found.group(1)) * 1024
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak() -> None:
    """Set the peak back to what is held now, where the system can (Linux): imports must not hide the model."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
