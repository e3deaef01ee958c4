"""Work in a forked process that is killed, or whose disk is full, at a moment or at its n-th change of files.

Changes are seen by an audit hook of Python, which hears of every `open` for writing, rename, removal and folder,
whoever makes it (`shutil`, `tempfile`, `zipfile`, Keras), and by `os.fsync`. What libraries write in C++ is not heard
of; the limit on the size of files is for that.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ready import fork_for_children, is_ready

__all__ = ["LONGEST", "children_of", "run"]

LONGEST = 180.0
"""Seconds after which a run is hung."""

REMOVED = ("os.remove", "os.rmdir")
CHANGES = ("os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate", *REMOVED)
"""The events of Python's audit that change the file system, besides `open`; a full disk lets files be removed."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def run(
    work: Callable[[Path], Any],
    folder: Path,
    *,
    until: float | None = None,
    worker: random.Random | None = None,
    change: int | None = None,
    no_room: int | None = None,
    full: int | None = None,
    counted: bool = False,
) -> tuple[str, Any]:
    """Do work in a forked process; return how it ended, and what came out.

    Args:
        work: The work.
        folder: Where.
        until: Seconds after which it is killed.
        worker: Then one of its child processes is, drawn by this, instead of itself.
        change: It is killed before its change of files with this number.
        no_room: That change fails, as on a full disk.
        full: No file may grow beyond so many bytes.
        counted: Whether what comes out is a pair, with the number of its changes.
    """
    answer = folder.with_suffix(".answer")
    answer.unlink(missing_ok=True)
    begin, hit = time.monotonic(), False
    child = os.fork()
    if child == 0:
        try:
            perform(work, folder, answer, change, no_room, full, counted=counted)
        finally:
            os._exit(1)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        passed = time.monotonic() - begin
        if ended:
            break
        if worker is not None and until is not None and passed > until and not hit:
            there = children_of(child)
            if there:
                hit = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.choice(there), signal.SIGKILL)
        elif (worker is None and until is not None and passed > until) or passed > LONGEST:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return ("hung" if passed > LONGEST else "killed"), None
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:
        return "killed", None
    how, what = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else (f"exit code {code}", None)
    return (f"{how} without a worker" if hit and how == "done" else how), what


def children_of(process: int) -> list[int]:
    """Return the processes that a process has started, and that live and work."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in path.read_text(encoding="ascii").split()]
    return sorted(child for child in found if not is_ready(child))


def perform(
    work: Callable[[Path], Any],
    folder: Path,
    answer: Path,
    change: int | None,
    no_room: int | None,
    full: int | None,
    *,
    counted: bool,
) -> None:
    """Do work in this process, which ends with it."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    from tfprune.errors import TfpruneError

    fork_for_children()
    watch = Watch(change, no_room)
    if change is not None or no_room is not None or counted:
        watch.begin()
    if full is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    try:
        told = ["done", work(folder)]
    except (TfpruneError, OSError) as error:
        kind = "refused" if isinstance(error, TfpruneError) or error.errno in (errno.EFBIG, errno.ENOSPC) else "raised"
        told = [kind, f"{type(error).__name__}: {error}\n{traceback.format_exc()[-1500:]}"]
    except BaseException as error:
        told = ["raised", f"{type(error).__name__}: {error}\n{traceback.format_exc()[-1500:]}"]
    watch.end()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    answer.write_text(json.dumps([told[0], [told[1], watch.count] if counted else told[1]]), encoding="utf-8")
    os._exit(0)


class Watch:
    """Counts the changes of files that this process makes, and stops it at one.

    Args:
        change: The number of that before which it is killed.
        no_room: The number of that which fails.
    """

    def __init__(self, change: int | None, no_room: int | None) -> None:
        self.count, self._change, self._no_room, self._on = 0, change, no_room, False

    def begin(self) -> None:
        """Count from now on."""
        self._on = True
        sys.addaudithook(self._hear)
        sync = os.fsync

        def noticed(handle: Any) -> None:
            self._hear("os.fsync", ())
            sync(handle)

        os.fsync = noticed

    def end(self) -> None:
        """Count no more."""
        self._on = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = bool(flags & WRITES) if isinstance(flags, int) else any(c in str(mode) for c in "wax+")
            if not writes or str(path).startswith(("/dev/", "/proc/")) or "__pycache__" in str(path):
                return
        elif event not in CHANGES and event != "os.fsync":
            return
        self.count += 1
        if self.count == self._change:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.count == self._no_room and event not in REMOVED:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
