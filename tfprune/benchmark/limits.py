"""What a worker process may do to the machine: no core files, no more memory than there is, first to go."""

from __future__ import annotations

import contextlib
import os
import signal

__all__ = ["clock_off", "clock_on", "restrain"]

_LEAST_ADDRESS_SPACE = 4 << 30  # libraries map far more than they use
_GRACE_SECONDS = 5  # the parent stops a late worker first; the worker's own clock is for a parent that is gone


def restrain() -> None:
    """Lower this process's limits, as far as the system lets us.

    A damaged model can ask for any amount of memory. The worker is refused more than the machine has, and if memory
    runs out all the same, Linux ends the worker rather than the program that started it.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = max(physical, _LEAST_ADDRESS_SPACE)
        if soft == resource.RLIM_INFINITY or wanted < soft:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def clock_on(seconds: float) -> None:
    """Let the system end this process if it is still busy some seconds after its time limit.

    Native code that never returns can't be interrupted from Python, so the default action of SIGALRM is kept.
    """
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds) + _GRACE_SECONDS)


def clock_off() -> None:
    """Stop the clock that `clock_on` started."""
    if hasattr(signal, "alarm"):
        signal.alarm(0)
