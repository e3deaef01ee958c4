"""What a search has found, kept in a file line by line, so that it goes on where it was stopped."""

from __future__ import annotations

import json
import math
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfprune.errors import InputError
from tfprune.files import write_atomically
from tfprune.search.rungs import Metrics
from tfprune.strategies.space import Point

__all__ = ["Journal", "Trial"]

HEAD = b'{"mark": "'


@dataclass(frozen=True)
class Trial:
    """A plan that has been looked at.

    Args:
        rung: How closely.
        point: The plan.
        metrics: What it is worth, by name; empty if it failed.
        seconds: How long that took.
        failed: Why it failed; None if it did not.

    Example:
        >>> trial = Trial("refit", (2, 0), {"error": 0.04, "macs": 60.0}, seconds=0.4)
        >>> trial.metrics["error"], trial.failed is None
        (0.04, True)
        >>> Trial.from_dict(trial.to_dict(), choices=2) == trial  # as a line of the journal keeps it
        True
    """

    rung: str
    point: Point
    metrics: Metrics = field(default_factory=dict)
    seconds: float = 0.0
    failed: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "rung": self.rung, "point": list(self.point), "metrics": self.metrics, "seconds": round(self.seconds, 3),
            "failed": self.failed,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Any, choices: int) -> Trial:
        """Make a trial of `to_dict()`'s result.

        Raises:
            ValueError: If it is not one.
        """
        try:
            point = tuple(int(level) for level in values["point"])
            metrics = {str(name): float(value) for name, value in values["metrics"].items()}
            failed = values["failed"] if values["failed"] is None else str(values["failed"])
            found = cls(str(values["rung"]), point, metrics, float(values["seconds"]), failed)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no trial: {error}") from error
        if len(point) != choices or not all(math.isfinite(value) for value in metrics.values()):
            raise ValueError("no trial of this search")
        return found


class Journal:
    """The trials of a search, in memory and, if there is a file, there too.

    Each trial is a line of JSON that is on the disk before the next one begins. A line that was cut off by a crash, or
    is damaged, is left out with a warning; its trial is done again.

    Args:
        path: The file; None keeps trials in memory only.
        mark: What tells this search from others.
        choices: How many choices a plan has.

    Raises:
        InputError: If the file belongs to another search.
    """

    def __init__(self, path: Path | None, mark: str, choices: int) -> None:
        self._path = path
        self._known: dict[tuple[str, Point], Trial] = {}
        self.damaged = 0
        if path is None:
            return
        content = path.read_bytes() if path.exists() else b""
        if b"\n" not in content and HEAD.startswith(content[: len(HEAD)]):  # nothing yet, or cut off where it began
            write_atomically(path, json.dumps({"mark": mark}) + "\n")
            return
        lines = content.decode("utf-8", errors="replace").splitlines()
        head = parsed(lines[0]) if lines else None
        if not isinstance(head, dict) or head.get("mark") != mark:
            raise InputError(
                f"{path} belongs to another search (of another model, other data or other settings); give another "
                "folder, or allow overwriting (overwrite=True)."
            )
        for line in lines[1:]:
            if not line.strip():
                continue
            try:
                self._keep(Trial.from_dict(parsed(line), choices))
            except ValueError:
                self.damaged += 1
        if content and not content.endswith(b"\n"):
            with open(path, "ab") as file:
                file.write(b"\n")
        if self.damaged:
            warnings.warn(
                f"{self.damaged} damaged lines in {path} are left out; their trials are done again", stacklevel=3
            )

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order in which they came."""
        return list(self._known.values())

    def get(self, rung: str, point: Point) -> Trial | None:
        """Return the trial of a plan on a rung, if there is one."""
        return self._known.get((rung, point))

    def add(self, trial: Trial) -> None:
        """Keep a trial."""
        self._keep(trial)
        self._append(trial.to_dict())

    def _keep(self, trial: Trial) -> None:
        self._known[trial.rung, trial.point] = trial

    def _append(self, values: dict[str, Any]) -> None:
        if self._path is None:
            return
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
            file.flush()
            os.fsync(file.fileno())


def parsed(line: str) -> Any:
    """Return what a line of JSON says; None if it is none."""
    try:
        return json.loads(line)
    except ValueError:
        return None
