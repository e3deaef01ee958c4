"""Several processes that look at plans, here and on other machines."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfprune.child_environment import child_environment
from tfprune.errors import TfpruneError
from tfprune.loading import own_code
from tfprune.search.job import QUEUE, write_job
from tfprune.search.journal import Trial
from tfprune.search.plans import Plans
from tfprune.search.pool import Pool
from tfprune.search.queue import Queue, Task
from tfprune.search.rungs import Evaluator
from tfprune.strategies.optuna import required
from tfprune.strategies.space import Point

__all__ = ["Workers"]

POLL = 0.2
SILENT = 30.0
"""After so many seconds without a sign of life a worker on another machine is taken for dead."""

ATTEMPTS = 3
"""So often a plan is given to a worker; one that has killed so many has failed."""


class Workers(Pool):
    """Worker processes on this machine, and any that join from others.

    A plan whose worker dies is given to another one. What comes out does not depend on who did what, as every plan is
    looked at by itself, with the same seed.

    Args:
        evaluator: Says what plans are worth; its copy in each worker does.
        plans: The plans.
        models: The folder for networks; beside it the job is, if it is not a temporary one.
        count: How many processes are started here.

    Raises:
        InputError: If Optuna is not installed, the data are not arrays, or the network has a class that no other
            process can import.
    """

    def __init__(self, evaluator: Evaluator, plans: Plans, models: Path, *, count: int) -> None:
        required()
        self._own_code = json.dumps(own_code(evaluator.model))
        self._plans, self._models, self._count = plans, models, count
        self._folder = models.parent / "job"
        write_job(self._folder, evaluator)
        self._queue = Queue(self._folder / QUEUE)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._logs: list[Any] = []
        self._left = count * ATTEMPTS
        self._beats: dict[int, tuple[int, float]] = {}
        self._own = 0

    def close(self) -> None:
        """End the processes."""
        with contextlib.suppress(Exception):
            self._queue.close()
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            end(process)
        for log in self._logs:
            log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def look(self, rung: str, points: Sequence[Point]) -> Iterator[Trial]:
        """Yield trials as they come."""
        if rung == "estimate":
            yield from (Trial(rung, point, self._plans.estimate(point)) for point in points)
            return
        attempts = dict.fromkeys(points, 0)
        for point in points:
            self._put(rung, point)
        open_ones = set(points)
        handled: set[int] = set()
        while open_ones:
            self._staff()
            self._own += 1
            if self._own % 10 == 1:
                self._queue.chief_beats(self._own)
            for task in self._queue.tasks():
                point = tuple(task.values["point"])
                if task.id in handled or task.values["rung"] != rung or point not in open_ones:
                    continue
                if task.answer is not None:
                    handled.add(task.id)
                    open_ones.discard(point)
                    yield Trial.from_dict(task.answer, len(point))
                elif task.state == "RUNNING" and self._dead(task) and self._queue.give_up(task.id):
                    handled.add(task.id)
                    attempts[point] += 1
                    if attempts[point] < ATTEMPTS:
                        self._put(rung, point)
                        continue
                    open_ones.discard(point)
                    yield Trial(rung, point, failed=f"its worker process died, {ATTEMPTS} times")
            if open_ones:
                time.sleep(POLL)

    def _put(self, rung: str, point: Point) -> None:
        self._queue.put({"rung": rung, "point": list(point), "plan": self._plans.plan(point).to_dict()})

    def _dead(self, task: Task) -> bool:
        """Whether the worker of a task is gone: a process of ours that has ended, or another that is silent."""
        ended = {f"-{process.pid}-" for process in self._processes if process.poll() is not None}
        own = task.worker is not None and task.worker.startswith(os.uname().nodename)
        if own and any(mark in str(task.worker) for mark in ended):
            return True
        beat, since = self._beats.get(task.id, (-1, time.monotonic()))
        if task.beat != beat or task.id not in self._beats:
            self._beats[task.id] = task.beat, time.monotonic()
            return False
        return time.monotonic() - since > SILENT

    def _staff(self) -> None:
        """Start processes until there are as many as wanted.

        Raises:
            TfpruneError: If they keep dying.
        """
        alive = sum(process.poll() is None for process in self._processes)
        for _ in range(self._count - alive):
            if not self._left:
                if alive:
                    return
                raise TfpruneError(f"Worker processes keep dying: {last_words(self._folder)}")
            self._left -= 1
            self._start()

    def _start(self) -> None:
        threads = str(max(1, (os.cpu_count() or 1) // self._count))
        environment = child_environment(
            TF_CPP_MIN_LOG_LEVEL="3", TF_NUM_INTRAOP_THREADS=threads, TF_NUM_INTEROP_THREADS="1",
            OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads,
        )  # fmt: skip
        log = open(self._folder / f"worker_{len(self._processes) + 1}.log", "wb")  # noqa: SIM115 (closed at the end)
        self._logs.append(log)
        command = [
            sys.executable,
            "-m",
            "tfprune.search.worker",
            str(self._folder),
            str(self._models),
            str(os.getpid()),
            self._own_code,
        ]
        self._processes.append(
            subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that has been asked to end; make it, if it does not."""
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def last_words(folder: Path) -> str:
    """Return the last line that a worker has printed."""
    lines = [
        line for path in sorted(folder.glob("worker_*.log")) for line in path.read_text(errors="replace").splitlines()
    ]
    return json.dumps(lines[-1]) if lines else "they printed nothing"
