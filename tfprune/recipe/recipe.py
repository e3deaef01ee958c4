"""A recipe: a versioned list of stages, in Python or in one level of YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tfprune.errors import InputError, nearest
from tfprune.files import write_atomically
from tfprune.numbers import is_integer, is_real
from tfprune.plain_yaml import dump_yaml, load_yaml, read_yaml
from tfprune.recipe.base import Stage, plain, stages
from tfprune.recipe.one_fit import callbacks_of
from tfprune.registry import Configurable

__all__ = ["VERSION", "Recipe"]

VERSION = 1
KEYS = ("version", "name", "about", "metric", "floor", "batch_size", "seed", "stages")


@keras.saving.register_keras_serializable(package="tfprune")
@dataclass(frozen=True)
class Recipe(Configurable):
    """A programme of compression: stages, done one after the other.

    Args:
        stages: The stages, or mappings of plain values that describe them.
        name: What it is called.
        about: What it is for, in a sentence.
        metric: The metric that the floor is about; None is the first accuracy, else the first metric, else the loss.
        floor: Part of the dense network's metric that the result has to keep, in (0, 1]; None asks for nothing. The
            result is then the last stage's model that does.
        batch_size: Samples in a batch, where data are arrays.
        seed: Seed of everything that draws random numbers.

    Raises:
        InputError: If a stage or a value is not one of the allowed ones; with where it is.

    Example:
        >>> recipe = Recipe([{"method": "prune", "budget": "macs=0.5", "granularity": "filter", "epochs": 0},
        ...                  {"method": "distil", "epochs": 2}], name="half")
        >>> print(recipe.to_yaml())
        version: 1
        name: half
        stages:
        - method: prune
          epochs: 0
          budget: macs=0.5
          granularity: filter
        - method: distil
          epochs: 2
        <BLANKLINE>
        >>> Recipe.from_yaml(recipe.to_yaml()) == recipe
        True
    """

    stages: Sequence[Stage | Mapping[str, Any]]
    name: str = "recipe"
    about: str = ""
    metric: str | None = None
    floor: float | None = None
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.stages, str | Mapping) or not isinstance(self.stages, Sequence):
            raise InputError(f"stages is {self.stages!r}; give a list of stages.")
        if not self.stages:
            raise InputError(f"The recipe {self.name!r} has no stages; give at least one.")
        made = tuple(
            one if isinstance(one, Stage) else stages.read(one, f"Stage {number} of {self.name!r}")
            for number, one in enumerate(self.stages, 1)
        )
        object.__setattr__(self, "stages", made)
        if self.floor is not None and (not is_real(self.floor) or not 0.0 < self.floor <= 1.0):
            raise InputError(f"floor is {self.floor!r}; give the part of the metric to keep, in (0, 1].")
        for name, least in (("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if not is_integer(value) or value < least:
                raise InputError(f"{name} is {value!r}; give an int from {least}.")

    @property
    def steps(self) -> tuple[Stage, ...]:
        """The stages, all made."""
        return tuple(one for one in self.stages if isinstance(one, Stage))

    def callbacks(self, data: Any = None) -> list[keras.callbacks.Callback]:
        """Return the callbacks that do the stages in one `fit`; each has a part of it in proportion to its epochs.

        Rate and strategy change from stage to stage: several stages that prune become one `PruneCallback`, which goes
        by the amount, the schedule, the criterion and the scope of the stage that the training is in.

        Args:
            data: Training data, for criteria and forms that look at some, and for the refit.

        Raises:
            InputError: If a stage does not happen while a model is trained, or has a teacher: `compress` does those.

        Example:
            >>> recipe = Recipe([{"method": "prune", "amount": 0.5, "epochs": 2},
            ...                  {"method": "prune", "amount": 0.8, "criterion": "l2", "epochs": 2},
            ...                  {"method": "fine_tune"}])
            >>> [type(one).__name__ for one in recipe.callbacks()]
            ['PruneCallback']
        """
        return callbacks_of(self.steps, data, self.seed)

    def get_config(self) -> dict[str, Any]:
        """Return plain values, ready for JSON and YAML; those that are not as they are by default."""
        config: dict[str, Any] = {"version": VERSION, "name": self.name}
        for name in ("about", "metric", "floor", "batch_size", "seed"):
            if getattr(self, name) != getattr(type(self), name):
                config[name] = plain(getattr(self, name))
        return {**config, "stages": [stage.to_dict() for stage in self.steps]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recipe:
        """Make a recipe from plain values.

        Raises:
            InputError: If the version or a key is unknown, or there are no stages.
        """
        if not isinstance(config, Mapping):
            raise InputError(f"A recipe is a mapping with version and stages; this is a {type(config).__name__}.")
        values = dict(config)
        version = values.pop("version", None)
        if version != VERSION:
            raise InputError(f"The recipe has version {version!r}; this tfprune reads version {VERSION}.")
        for key in values:
            if key not in KEYS:
                raise InputError(f"The recipe has the unknown key {key!r}. {nearest(key, KEYS)}")
        if "stages" not in values:
            raise InputError("The recipe has no stages; give a list of them.")
        return cls(**values)

    def to_yaml(self) -> str:
        """Return it as YAML."""
        config = self.get_config()
        for readable in (True, False):  # some rare characters only come back if they are escaped
            text = dump_yaml(config, readable=readable)
            if load_yaml(text) == config:
                break
        return text

    @classmethod
    def from_yaml(cls, text: str) -> Recipe:
        """Make a recipe from YAML.

        Raises:
            InputError: If it is not YAML, or not that of a recipe.
        """
        return cls.from_config(load_yaml(text))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a .yaml file, whole or not at all."""
        if Path(path).suffix not in (".yaml", ".yml"):
            raise InputError(f"{path} does not end in .yaml; give a path that does.")
        write_atomically(path, self.to_yaml())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recipe:
        """Read it from a .yaml file.

        Raises:
            InputError: If there is none, or it is not that of a recipe.
        """
        config = read_yaml(path)
        try:
            return cls.from_config(config)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def __str__(self) -> str:
        about = f": {self.about}" if self.about else ""
        lines = [f"  {number}. {stage}" for number, stage in enumerate(self.steps, 1)]
        return "\n".join([f"{self.name}{about}", *lines])
