"""Processes that keep the cores of this machine awake and out of nobody's way."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from tfprune.benchmark.host import cores

__all__ = ["awake"]

PROGRAM = """
import os
try:
    with open("/proc/self/autogroup", "w") as file:
        file.write("19")  # where sessions share the cores as groups, the group counts, not the process
except OSError:
    pass
parent = os.getppid()
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == parent:
    for _ in range(200_000):
        pass
"""


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep all cores busy while the block runs, with work that anything else interrupts at once (Linux only).

    A core that has slept computes slower for a while: its clock and its caches have to recover, and a virtual one has
    to get its place on the machine back. A slower device is emulated by sleeping, and what its core then loses would be
    multiplied; that of a device that computes all the time loses nothing.
    """
    if not hasattr(os, "SCHED_IDLE"):
        yield
        return
    started: list[subprocess.Popen[bytes]] = []
    try:
        with contextlib.suppress(OSError):
            started += [
                subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, start_new_session=True,
                )
                for _ in range(cores())
            ]  # fmt: skip
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
