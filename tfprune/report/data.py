"""A report: what a compression did, as plain values that become a page, pictures, a card, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfprune.errors import InputError, one_line
from tfprune.files import PathLike, check_destination, write_atomically
from tfprune.plain_records import from_plain, to_plain
from tfprune.report.parts import Change, Channels, File, Front, Layer, Stage, Waterfall, Weights

__all__ = ["Report"]

VERSION = 1


@dataclass(frozen=True)
class Report:
    """What a compression did. All of it was measured or read; what is not known is left out.

    `tfprune.report.make` fills one from two models, `tfprune.report.of_folder` from the folder of a `compress` or a
    `search`.

    Args:
        title: The name of the network, or of the recipe.
        source: What it is about: `"models"`, `"compress"` or `"search"`.
        about: A sentence about it.
        headline: Accuracy, size, cost and latency, before and after.
        metric: The metric that counts, if there is one.
        stages: The dense network, and what each stage of the recipe made of it.
        history: Values by epoch of a training, by name; None where an epoch has none.
        epochs: What the epochs are called, such as `"prune, epoch 2"`; by default they are numbered.
        front: What a search found.
        layers: The layers with weights, in order.
        criterion: What scored the layers' weights.
        channels: The groups of channels, in order.
        weights: Pictures of the largest kernels.
        waterfalls: Where the time goes, of each file that was timed layer by layer.
        files: What was exported.
        recipe: The recipe, or the plan of a search, as YAML.
        environment: What was used, and what it ran on.
        command: What makes the same again.
        date: When the data were made, as `"2026-11-26"`.
        notes: What a reader has to know.
        mark: What tells this compression from others.

    Example:
        >>> report = Report("net", "models", headline=(Change("parameters", "count", 250.0, 1000.0),))
        >>> Report.from_json(report.to_json()) == report, "<svg" in report.to_html()
        (True, True)
    """

    title: str
    source: str
    about: str = ""
    headline: tuple[Change, ...] = ()
    metric: str | None = None
    stages: tuple[Stage, ...] = field(default=(), repr=False)
    history: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict, repr=False)
    epochs: tuple[str, ...] = field(default=(), repr=False)
    front: Front | None = field(default=None, repr=False)
    layers: tuple[Layer, ...] = field(default=(), repr=False)
    criterion: str = ""
    channels: tuple[Channels, ...] = field(default=(), repr=False)
    weights: tuple[Weights, ...] = field(default=(), repr=False)
    waterfalls: tuple[Waterfall, ...] = field(default=(), repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    recipe: str = field(default="", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str = ""
    date: str = ""
    notes: tuple[str, ...] = ()
    mark: str = field(default="", repr=False)

    def to_json(self) -> str:
        """Return it as JSON; `from_json` reads it."""
        return json.dumps({"version": VERSION, **to_plain(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Make a report of what `to_json` returned.

        Raises:
            InputError: If it is something else.
        """
        try:
            values = json.loads(text)
            version = values.pop("version")
            if version != VERSION:
                raise ValueError(f"its version is {version!r}, this tfprune reads {VERSION}")
            return from_plain(cls, values)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"This is no saved report ({one_line(str(error), 200)}); give what to_json() wrote."
            ) from error

    @classmethod
    def load(cls, path: PathLike) -> Report:
        """Read a `report.json`.

        Raises:
            InputError: If there is none, or it is something else.
        """
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} can't be read as a report ({error}); give a report.json.") from error

    def to_html(self) -> str:
        """Return one page that needs nothing else: no network, no other file."""
        from tfprune.report.html import page

        return page(self)

    def card(self) -> str:
        """Return a Markdown card: the numbers, without the pictures."""
        from tfprune.report.markdown import card

        return card(self)

    def save(self, path: PathLike, *, overwrite: bool = False) -> Path:
        """Write the page, the card, or JSON: what the name ends in decides (`.html`, `.md`, `.json`).

        Args:
            path: The file.
            overwrite: Whether it may be replaced.

        Returns:
            The path.

        Raises:
            InputError: If the file exists and `overwrite` is False, can't be written there, or ends in something else.
        """
        makers = {".html": self.to_html, ".md": self.card, ".json": self.to_json}
        destination = check_destination(path, overwrite=overwrite)
        if destination.suffix.lower() not in makers:
            raise InputError(f"{destination} does not end in .html, .md or .json; give a path that does.")
        write_atomically(destination, makers[destination.suffix.lower()]())
        return destination

    def save_pictures(self, folder: PathLike) -> list[Path]:
        """Write the pictures of the page as PNG files; those that exist are replaced.

        Args:
            folder: Where to; made if there is none.

        Returns:
            The files, in the order of the page.

        Raises:
            InputError: If matplotlib is not installed, or the folder can't be made.
        """
        from tfprune.report.pictures import save_pictures

        return save_pictures(self, Path(folder))
