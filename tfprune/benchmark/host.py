"""What a reader must know about the machine to trust a time: CPU, its vector units, how busy it is."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

__all__ = ["cores", "cores_in", "cpu_flags", "cpu_model", "flags_in", "load_average"]

# As the kernel calls them -> as we report them. Only those that decide which kernels XNNPACK picks.
_FLAGS = {
    "sse4_1": "sse4_1",
    "avx": "avx",
    "avx2": "avx2",
    "fma": "fma",
    "avx512f": "avx512",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "neon": "neon",
    "asimd": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "sve": "sve",
}
_CPUINFO = Path("/proc/cpuinfo")
_BOARD = Path("/proc/device-tree/model")  # "Raspberry Pi 5 Model B Rev 1.0"


def cpu_model() -> str:
    """Return the name of the CPU, or of the board where the CPU has no name (a Raspberry Pi)."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read(_CPUINFO), re.MULTILINE)
    named = found.group(1) if found else _read(_BOARD)
    return named.strip("\0 \n") or platform.processor() or platform.machine() or "unknown"


def cpu_flags() -> tuple[str, ...]:
    """Return the vector instruction sets of the CPU that matter to the runtime: avx, avx2, avx512, neon, ...

    Returns:
        Their names, or an empty tuple where the system does not tell.
    """
    found = flags_in(_read(_CPUINFO))
    is_arm = platform.machine().lower() in ("arm64", "aarch64")  # every one of 64 bits has neon
    return ("neon", *found) if is_arm and "neon" not in found else found


def flags_in(cpuinfo: str) -> tuple[str, ...]:
    """Return the vector instruction sets that matter from what is in /proc/cpuinfo: of the first core.

    Example:
        >>> flags_in("Features : fp asimd asimdhp asimddp")
        ('neon', 'fp16', 'dotprod')
    """
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    present = set(found.group(1).split()) if found else set()
    return tuple(dict.fromkeys(ours for theirs, ours in _FLAGS.items() if theirs in present))


def cores_in(cpuinfo: str) -> int | None:
    """Return the number of cores from what is in /proc/cpuinfo, or None if it does not tell."""
    return len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or None


def load_average() -> float | None:
    """Return the number of busy processes over the last minute, or None where the system can't tell."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
