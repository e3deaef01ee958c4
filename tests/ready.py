"""A process that is ready to fork: what `subprocess` would start anew needs none of the seconds of its imports.

A test forks it while nothing is at work in its own process yet. From then on `python -m` and `python -c` are given to
it, with the arguments, environment, folder, streams and limits that it would have; what it forks is a child of the
process that asked, and ends as one that is started does. Only the imports that it shares are missing, and what is done
at exit.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import runpy
import socket
import subprocess
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["fork_for_children", "is_ready", "load"]

NEEDED = (
    "tfprune.recipe.runner",
    "tfprune.search.run",
    "tfprune.report.html.page",
    "tfprune.report.markdown",
    "optuna",
)
"""What nearly all work imports, and what each of them does: a second that forked processes need not take."""

COMMAND = Path("/proc/self/comm")
READY = "ready"
"""The name of such a process, for `/proc`."""

SUBREAPER = 36
"""Of `prctl`: orphans among the descendants become children of this process."""

LIMITS = (resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_CORE)
LONGEST = 1 << 20
"""Bytes of what it is told."""


def load() -> None:
    """Import what commands and work need, without beginning anything."""
    from tfprune.cli.app import COMMANDS

    for name in (*(f"tfprune.cli.{command}" for command in COMMANDS), *NEEDED):
        import_module(name)


def fork_for_children() -> None:
    """Fork a process that does from now on what `subprocess.Popen` starts Python for; it ends with this one."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    name = COMMAND.read_text(encoding="ascii")
    COMMAND.write_text(READY, encoding="ascii")  # what is forked has it from the first moment on
    if os.fork() == 0:
        try:
            ours.close()
            serve(theirs)
        finally:  # whoever asked was killed meanwhile; nothing of what it was amid may be done here
            os._exit(1)
    theirs.close()
    COMMAND.write_text(name.strip(), encoding="ascii")
    subprocess.Popen = handed_over(subprocess.Popen, ours)  # type: ignore[misc]


def is_ready(process: int) -> bool:
    """Return whether a process is one that waits to fork."""
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="ascii").strip() == READY
    except OSError:  # it has ended
        return False


def handed_over(popen: type[Any], told: socket.socket) -> type[Any]:
    """Return a `Popen` that has Python run by a process that is ready, and starts anything else as ever."""

    class Popen(popen):  # type: ignore[misc]
        def _execute_child(self, args: Any, *others: Any) -> None:
            if args[0] != sys.executable or args[1] not in ("-m", "-c"):
                super()._execute_child(args, *others)
                return
            _, _, close_fds, _, cwd, env, _, _, _, *pipes = others[:15]
            assert close_fds
            streams = [own if own >= 0 else number for number, own in enumerate((pipes[0], pipes[3], pipes[5]))]
            job = {
                "arguments": args[1:], "env": dict(env or os.environ), "cwd": cwd or os.getcwd(), "session": others[20],
                "limits": [resource.getrlimit(limit) for limit in LIMITS], "parent": os.getpid(),
            }  # fmt: skip
            socket.send_fds(told, [json.dumps(job).encode()], streams)
            self.pid = int(told.recv(LONGEST))
            self._child_created = True
            self._close_pipe_fds(*pipes)

    return Popen


def serve(told: socket.socket) -> None:
    """Fork for each program until whoever tells of them has ended."""
    while True:
        said, streams, _, _ = socket.recv_fds(told, LONGEST, 3)
        if not said:
            os._exit(0)
        ours, theirs = os.pipe()
        between = os.fork()
        if between == 0:
            if child := os.fork():
                os.write(theirs, str(child).encode())
                os._exit(0)
            work(json.loads(said), streams)
        os.waitpid(between, 0)  # now the child is one of whoever asked
        told.send(os.read(ours, 20))
        for handle in (ours, theirs, *streams):
            os.close(handle)


def work(job: dict[str, Any], streams: list[int]) -> None:
    """Run a program in this process, and end."""
    code = 0
    while os.getppid() not in (job["parent"], 1):
        time.sleep(0.001)
    try:
        COMMAND.write_text("python", encoding="ascii")
        if job["session"]:
            os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 1024)
        for limit, values in zip(LIMITS, job["limits"], strict=True):
            resource.setrlimit(limit, values)
        os.environ.clear()
        os.environ.update(job["env"])
        os.chdir(job["cwd"])
        how, what, *arguments = job["arguments"]
        sys.argv = [how, *arguments]
        if how == "-c":
            exec(what, {"__name__": "__main__"})
        else:
            runpy.run_module(what, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
