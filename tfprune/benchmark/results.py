"""The report of a benchmark: it prints, is a table, and goes to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tfprune.benchmark.records import Environment, Failure, ModelResult
from tfprune.errors import InputError, one_line
from tfprune.plain_records import from_plain
from tfprune.shown import Shown

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Report"]


@dataclass(frozen=True)
class Report(Shown):
    """The results of `tfprune.benchmark.run`: iterate over it, index it, print it, or save it as JSON.

    Args:
        models: One result for each model and setting, in the order given.
        environment: Where the times hold.
        notes: What a reader has to know to trust them.
        failures: Models with settings that they could not be run with, where several settings were asked for.

    Example:
        >>> report = tfprune.benchmark.run(["dense.tflite", "small.tflite"], min_seconds=0.1)
        >>> report[1].speedup.median > 0, report[1].latency.median_ms > 0
        (True, True)
    """

    models: tuple[ModelResult, ...]
    environment: Environment
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()

    def __len__(self) -> int:
        return len(self.models)

    def __iter__(self) -> Iterator[ModelResult]:
        return iter(self.models)

    def __getitem__(self, index: int) -> ModelResult:
        return self.models[index]

    def __str__(self) -> str:
        from tfprune.benchmark.rendering import as_text

        return as_text(self)

    def table(self) -> Table:
        """Return a `rich.table.Table`: size, gzip, median, p5-p90, CPU times, delegation, speed-up, peak memory."""
        from tfprune.benchmark.rendering import as_table

        return as_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Return dicts, lists, numbers and strings only, under the names of the attributes."""
        content: dict[str, Any] = json.loads(self.to_json())
        return content

    def to_json(self, indent: int | None = 2) -> str:
        """Return the report as JSON; `Report.from_json` reads it."""
        return json.dumps(asdict(self), indent=indent)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Report:
        """Make a report from what `to_dict` returned, now or in an earlier version.

        Raises:
            InputError: If it is something else.
        """
        try:
            where = content["environment"]
            # Reports of versions that measured one setting only have it in the environment.
            setting = {name: where[name] for name in ("threads", "interpreter", "versions")}
            models = [{**setting, **model} for model in content["models"]]
            return from_plain(cls, {**content, "models": models})
        except (KeyError, TypeError, ValueError) as error:
            told = one_line(str(error))
            raise InputError(f"This is not a saved benchmark report ({told}); give what to_json() wrote.") from error

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Make a report from what `to_json` returned, for example to compare two days.

        Raises:
            InputError: If it is something else.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"This is not JSON ({one_line(str(error))}); give what to_json() wrote.") from error
        return cls.from_dict(content)
