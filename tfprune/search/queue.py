"""The queue between a search and its workers: an Optuna study in a journal file, which many machines can share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfprune.strategies.optuna import required

__all__ = ["Queue", "Task"]

STUDY = "tfprune"


@dataclass(frozen=True)
class Task:
    """Something in the queue.

    Args:
        id: Its number in the storage.
        values: What was put in.
        state: `"WAITING"`, `"RUNNING"`, `"COMPLETE"` or `"FAIL"`.
        worker: Who has taken it; None if nobody has.
        beat: What that worker has last counted up to.
        answer: What came out, once it is complete.
    """

    id: int
    values: Mapping[str, Any]
    state: str
    worker: str | None
    beat: int
    answer: Mapping[str, Any] | None


class Queue:
    """Tasks that are put in, taken by exactly one worker each, and answered.

    Optuna's journal storage keeps it: each change is a line in a file that is only appended to, under a lock that also
    holds on network file systems.

    Args:
        path: The file.

    Raises:
        InputError: If Optuna is not installed.
    """

    def __init__(self, path: Path) -> None:
        optuna = required()
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        from tfprune.search.lock import Lock

        self._states = optuna.trial.TrialState
        self._storage = JournalStorage(JournalFileBackend(str(path), lock_obj=Lock(str(path))))
        self._study = optuna.create_study(
            study_name=STUDY, storage=self._storage, load_if_exists=True, sampler=optuna.samplers.RandomSampler()
        )

    def put(self, values: Mapping[str, Any]) -> None:
        """Put a task in."""
        self._study.enqueue_trial({}, user_attrs={"task": json.dumps(dict(values))})

    def tasks(self) -> list[Task]:
        """Return all tasks, in the order in which they were put in."""
        return [self._task(trial) for trial in self._storage.get_all_trials(self._study._study_id, deepcopy=False)]

    def take(self, worker: str) -> Task | None:
        """Take the first task that waits; None if there is none."""
        for trial in self._storage.get_all_trials(
            self._study._study_id, deepcopy=False, states=(self._states.WAITING,)
        ):
            try:
                taken = self._storage.set_trial_state_values(trial._trial_id, state=self._states.RUNNING)
            except RuntimeError:  # another worker has even finished it
                taken = False
            if taken:
                self._storage.set_trial_user_attr(trial._trial_id, "worker", worker)
                return self._task(trial)
        return None

    def beat(self, task: int, count: int) -> None:
        """Say that the worker of a task is alive."""
        self._storage.set_trial_user_attr(task, "beat", count)

    def answer(self, task: int, values: Mapping[str, Any]) -> bool:
        """Answer a task; return False if it was given up meanwhile."""
        try:
            self._storage.set_trial_user_attr(task, "answer", json.dumps(dict(values)))
            self._storage.set_trial_state_values(task, state=self._states.COMPLETE, values=[0.0])
        except RuntimeError:
            return False
        return True

    def give_up(self, task: int) -> bool:
        """Mark a task that nobody will answer any more; return False if it has been answered meanwhile."""
        try:
            return bool(self._storage.set_trial_state_values(task, state=self._states.FAIL))
        except RuntimeError:
            return False

    @property
    def closed(self) -> bool:
        """Whether there will be no more tasks."""
        return bool(self._study.user_attrs.get("closed", False))

    def close(self) -> None:
        """Say that there will be no more tasks."""
        self._study.set_user_attr("closed", True)

    @property
    def chief_beat(self) -> int:
        """What the search has last counted up to."""
        return int(self._study.user_attrs.get("beat", 0))

    def chief_beats(self, count: int) -> None:
        """Say that the search is alive."""
        self._study.set_user_attr("beat", count)

    def _task(self, trial: Any) -> Task:
        given = trial.user_attrs
        answer = json.loads(given["answer"]) if "answer" in given and trial.state == self._states.COMPLETE else None
        return Task(
            trial._trial_id, json.loads(given["task"]), trial.state.name, given.get("worker"),
            int(given.get("beat", 0)), answer,
        )  # fmt: skip
