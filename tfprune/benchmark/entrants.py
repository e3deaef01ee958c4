"""Models in their worker processes, which take turns so that what lasts longer than a turn hits all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfprune.benchmark.child import Child
from tfprune.benchmark.configurations import Configuration
from tfprune.benchmark.records import Delegation
from tfprune.benchmark.settings import Settings
from tfprune.benchmark.timing import Samples

__all__ = ["BURST_SECONDS", "Entrant", "take_turns"]

BURST_SECONDS = 0.05


@dataclass
class Entrant:
    """One model with one setting, and what is known of it so far."""

    path: Path
    configuration: Configuration
    child: Child
    interpreter: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    init_ns: int = 0
    sparse: bool = False
    int8: bool = False
    delegation: Delegation | None = None
    warmup_ns: list[int] = field(default_factory=list)
    samples: Samples = field(default_factory=Samples)

    def start(self) -> None:
        """Wait until the worker has its interpreter."""
        found = self.child.hello(self.configuration.interpreter)
        self.interpreter, self.versions = found["interpreter"], found["versions"]

    def warm_up(self, settings: Settings, data: dict[str, Any] | None) -> None:
        """Load the model and run it until caches are warm."""
        model = self.child.ask(
            "load",
            "loading it",
            path=str(self.path),
            threads=self.configuration.threads,
            seed=settings.seed,
            data=data,
            delegate=self.configuration.delegate,
        )
        self.init_ns, self.sparse, self.int8 = model["init_ns"], model["sparse"], model["int8"]
        self.delegation = None if model["delegation"] is None else Delegation(**model["delegation"])
        times = list(self.child.ask("burst", "running it for the first time", seconds=0.0)["wall_ns"])
        while len(times) < settings.warmup or sum(times) < settings.warmup_seconds * 1e9:
            left = max(settings.warmup_seconds - sum(times) / 1e9, 0.0)
            times += self.burst(min(left, BURST_SECONDS))["wall_ns"]
        self.warmup_ns = times

    def burst(self, seconds: float) -> dict[str, Any]:
        """Run the model for that time, once at least."""
        return self.child.ask("burst", "running it", extra_seconds=seconds, seconds=seconds)


def take_turns(entrants: list[Entrant], settings: Settings) -> None:
    """Let the models run in turn until each has had enough; one that has had too much sits out."""
    seconds = min(BURST_SECONDS, settings.min_seconds / 10)
    for number, entrant in _turns(entrants, settings):
        if entrant.samples.seconds < settings.max_seconds:
            times = entrant.burst(seconds)
            entrant.samples.add(number, times["wall_ns"], times["cpu_ns"])


def _turns(entrants: list[Entrant], settings: Settings) -> Iterator[tuple[int, Entrant]]:
    for number in itertools.count():
        if all(settings.is_enough(entrant.samples) for entrant in entrants):
            return
        shift = number % len(entrants)
        for entrant in entrants[shift:] + entrants[:shift]:
            yield number, entrant
