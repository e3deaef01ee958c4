"""The process that looks at plans for a search: `python -m tfprune.search.worker FOLDER`."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfprune.loading import import_own_code
from tfprune.search.job import QUEUE, read_job
from tfprune.search.plan import Plan
from tfprune.search.pool import evaluated
from tfprune.search.queue import Queue, Task

__all__ = ["BEAT", "main", "work"]

POLL = 0.1
"""Seconds between two looks into the queue."""

BEAT = 2.0
"""Seconds between two signs of life."""

ORPHANED = 120.0
"""After so many seconds without one from the search, a worker that joined it ends."""


def work(folder: Path, models: Path, *, parent: int | None = None, own: Mapping[str, Any] | None = None) -> int:
    """Look at plans until there are no more; return how many.

    Args:
        folder: The job.
        models: The folder for networks.
        parent: The process that has started this one, with which it ends; None ends when the search gives no sign of
            life any more.
        own: Classes and functions of the network's own by name.
    """
    evaluator = read_job(folder, own)
    queue = Queue(folder / QUEUE)
    name = f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    done = 0
    seen, since = queue.chief_beat, time.monotonic()
    while not queue.closed:
        if parent is not None and os.getppid() != parent:
            break
        if queue.chief_beat != seen:
            seen, since = queue.chief_beat, time.monotonic()
        if parent is None and time.monotonic() - since > ORPHANED:
            break
        task = queue.take(name)
        if task is None:
            time.sleep(POLL)
            continue
        with Pulse(queue, task):
            plan = Plan.from_dict(task.values["plan"])
            trial = evaluated(evaluator, task.values["rung"], tuple(task.values["point"]), plan, models)
        done += queue.answer(task.id, trial.to_dict())
    return done


class Pulse:
    """Signs of life while a task is worked on.

    Args:
        queue: The queue.
        task: The task.
    """

    def __init__(self, queue: Queue, task: Task) -> None:
        self._queue, self._task = queue, task
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        count = 0
        while not self._stop.wait(BEAT):
            count += 1
            try:
                self._queue.beat(self._task.id, count)
            except RuntimeError:  # it was given up
                return

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


def main() -> None:
    """Work for the search in a folder."""
    folder, models, parent, own = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
    work(folder, models, parent=parent, own=import_own_code(own))


if __name__ == "__main__":
    main()
