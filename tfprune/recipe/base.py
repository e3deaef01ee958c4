"""What a stage is: one step of a recipe, written in plain values."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tfprune.cost import Budget
from tfprune.cost.budget import parse_budget
from tfprune.errors import InputError, nearest
from tfprune.registry import Configurable, Registry

if TYPE_CHECKING:
    from tfprune.recipe.work import Work

__all__ = ["Names", "Stage", "amount_of", "names_of", "stages"]

Names = str | Sequence[str] | None


@dataclass(frozen=True, kw_only=True)
class Stage(Configurable, abc.ABC):
    """One step of a recipe: model in, model out.

    All fields are numbers, strings, or lists of these, so that a recipe fits into one level of YAML. To add one, extend
    this class as a frozen dataclass and register it.

    Attributes:
        method: What it is called in a recipe.

    Example:
        A stage of your own:

        >>> from dataclasses import dataclass
        >>> from tfprune.recipe import Recipe, Stage, stages
        >>> @stages.register("round_weights")
        ... @dataclass(frozen=True, kw_only=True)
        ... class RoundWeights(Stage):
        ...     method = "round_weights"
        ...     decimals: int = 3
        ...     def run(self, work):
        ...         for weight in work.model.weights:
        ...             weight.assign(np.round(weight.numpy(), self.decimals))
        >>> print(Recipe([{"method": "round_weights", "decimals": 1}, {"method": "fine_tune"}]))
        recipe
          1. round_weights(decimals=1)
          2. fine_tune()
    """

    method: ClassVar[str] = ""

    @abc.abstractmethod
    def run(self, work: Work) -> None:
        """Do it.

        Args:
            work: The model, the data and the folder; a stage that makes another model sets `work.model`.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the method, and the fields that are not as they are by default."""
        changed = {
            field.name: plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        return {"method": self.method, **changed}

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.to_dict().items() if name != "method")
        return f"{self.method}({given})"


class Stages(Registry[Stage]):
    """The known stages, by method."""

    def read(self, given: Mapping[str, Any], where: str) -> Stage:
        """Return the stage that a mapping of plain values describes.

        Raises:
            InputError: If the method or a key is unknown, or a value can't be used; with where it is.
        """
        if not isinstance(given, Mapping) or "method" not in given:
            raise InputError(f"{where} is {given!r}; give a mapping with a method, as 'method: prune'.")
        values = dict(given)
        method = values.pop("method")
        if method not in self.names:
            raise InputError(f"{where} has the unknown method {method!r}. {nearest(method, self.names)}")
        cls = self._classes[method]
        known = [field.name for field in dataclasses.fields(cls)]
        for key, value in values.items():
            if key not in known:
                raise InputError(f"{where} ({method}) has the unknown key {key!r}. {nearest(key, known)}")
            if isinstance(value, Mapping) or (
                isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value)
            ):
                raise InputError(f"{where} ({method}): {key} is nested; give a number, a string, or a list of these.")
        try:
            return cls(**values)
        except InputError as error:
            raise InputError(f"{where} ({method}): {error}") from error
        except TypeError as error:
            raise InputError(f"{where} ({method}) has a value that can't be used: {error}") from error


stages = Stages("stage", Stage)


def plain(value: Any) -> Any:
    """Return a tuple as a list, anything else as it is."""
    return [plain(one) for one in value] if isinstance(value, tuple | list) else value


def names_of(given: Names) -> list[str] | None:
    """Return names as a list, one of them too; None if there are none."""
    if given is None:
        return None
    return [given] if isinstance(given, str) else list(given)


def amount_of(budget: Names, amount: float | None, default: float | None) -> Budget | float | None:
    """Return what a network may cost, or what part goes.

    Raises:
        InputError: If both are given.
    """
    if budget is not None and amount is not None:
        raise InputError("Both a budget and an amount are given; give one of them.")
    return parse_budget(names_of(budget)) if budget is not None else default if amount is None else amount
