"""Recipes by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfprune.cost import Budget
from tfprune.errors import InputError, nearest
from tfprune.recipe.recipe import Recipe

__all__ = ["NAMED", "conservative", "find_recipe", "mobile", "moderate", "tiny", "vgg16_article"]


def conservative(epochs: int = 6) -> Recipe:
    """Lose nothing: two thirds of the work, refitted, then taught by the dense network until it has recovered.

    Args:
        epochs: Epochs of the training.

    Returns:
        The recipe.

    Example:
        >>> print(conservative(epochs=2))
        conservative: Two thirds of the multiply-accumulates, with full recovery.
          1. factorize(budget=macs=0.67)
          2. distil(epochs=2)
          3. export(precision=['float32', 'float16'])
    """
    return Recipe(
        [
            {"method": "factorize", "budget": "macs=0.67"},
            {"method": "distil", "epochs": epochs},
            {"method": "export", "precision": ["float32", "float16"]},
        ],
        name="conservative", about="Two thirds of the multiply-accumulates, with full recovery.", floor=1.0,
    )  # fmt: skip


def moderate(epochs: int = 6) -> Recipe:
    """Lose at most a hundredth of the metric: half of the work, and 8-bit weights.

    Args:
        epochs: Epochs of the training.

    Returns:
        The recipe.

    Example:
        >>> print(moderate(epochs=2))
        moderate: Half of the multiply-accumulates, at least 99 % of the metric.
          1. factorize(budget=macs=0.5)
          2. distil(epochs=2)
          3. export(precision=['float32', 'dynamic'])
    """
    return Recipe(
        [
            {"method": "factorize", "budget": "macs=0.5"},
            {"method": "distil", "epochs": epochs},
            {"method": "export", "precision": ["float32", "dynamic"]},
        ],
        name="moderate", about="Half of the multiply-accumulates, at least 99 % of the metric.", floor=0.99,
    )  # fmt: skip


def mobile(epochs: int = 6) -> Recipe:
    """Fast on a phone: filters in multiples of eight, taught by the dense network, whole numbers.

    Args:
        epochs: Epochs of the training.

    Returns:
        The recipe.

    Example:
        >>> print(mobile(epochs=2))
        mobile: Fewer filters, in multiples of eight, and 8-bit integers.
          1. prune(epochs=0, budget=macs=0.6, granularity=filter, round_to=8)
          2. distil(epochs=2)
          3. export(precision=['float32', 'int8'])
    """
    return Recipe(
        [
            {"method": "prune", "granularity": "filter", "budget": "macs=0.6", "epochs": 0, "round_to": 8},
            {"method": "distil", "epochs": epochs},
            {"method": "export", "precision": ["float32", "int8"]},
        ],
        name="mobile", about="Fewer filters, in multiples of eight, and 8-bit integers.",
    )  # fmt: skip


def tiny(epochs: int = 8, budget: Budget | Sequence[str] | str | None = None) -> Recipe:
    """Fit a microcontroller: filters, then factors, then whole numbers only; or just what its flash and RAM allow.

    Args:
        epochs: Epochs of each training.
        budget: What the device has: `Budget(flash="256kB", ram="128kB")`, or `["flash=256kB", "ram=128kB"]`. Then
            filters go until the measured file and arena fit, and the files are C++ too. It needs the package
            tflite-micro.

    Returns:
        The recipe.

    Raises:
        InputError: If the budget bounds something else than flash and RAM.

    Example:
        >>> print(tiny(budget=Budget(flash="64kB")))
        tiny: Filters removed until flash and RAM suffice, 8-bit integers, for microcontrollers.
          1. fit_device(budget=['flash=64kB'])
          2. distil(epochs=8)
          3. export_device(budget=['flash=64kB'])
    """
    if budget is not None:
        if isinstance(budget, Budget):
            budget = [f"{name}={value}" for name, value in budget.get_config().items() if value is not None]
        bounds = [budget] if isinstance(budget, str) else list(budget)
        return Recipe(
            [
                {"method": "fit_device", "budget": bounds},
                {"method": "distil", "epochs": epochs},
                {"method": "export_device", "budget": bounds},
            ],
            name="tiny", about="Filters removed until flash and RAM suffice, 8-bit integers, for microcontrollers.",
        )  # fmt: skip
    return Recipe(
        [
            {"method": "prune", "granularity": "filter", "budget": "params=0.5", "epochs": 0, "round_to": 4},
            {"method": "distil", "epochs": epochs},
            {"method": "factorize", "budget": "params=0.6"},
            {"method": "distil", "epochs": epochs},
            {"method": "quantize"},
        ],
        name="tiny", about="Under a third of the parameters, 8-bit integers, for microcontrollers.",
    )  # fmt: skip


def vgg16_article(epochs: int = 10) -> Recipe:
    """The usual way: train with a penalty on scales, cut filters gradually, fine-tune with a small rate.

    Args:
        epochs: Epochs of the pruning and of the training after it; the penalty has half as many.

    Returns:
        The recipe.

    Example:
        >>> print(vgg16_article(epochs=4))
        vgg16_article: Slimming, gradual filter pruning, fine-tuning: for plain networks such as VGG-16.
          1. regularize(epochs=2, penalty=slimming)
          2. prune(epochs=4, amount=0.5, granularity=filter)
          3. shrink()
          4. fine_tune(epochs=4)
          5. export(precision=['float32', 'int8'])
    """
    return Recipe(
        [
            {"method": "regularize", "penalty": "slimming", "epochs": max(epochs // 2, 1)},
            {"method": "prune", "granularity": "filter", "amount": 0.5, "epochs": epochs},
            {"method": "shrink"},
            {"method": "fine_tune", "epochs": epochs},
            {"method": "export", "precision": ["float32", "int8"]},
        ],
        name="vgg16_article", about="Slimming, gradual filter pruning, fine-tuning: for plain networks such as VGG-16.",
    )  # fmt: skip


NAMED: Mapping[str, Callable[..., Recipe]] = {
    "conservative": conservative,
    "mobile": mobile,
    "moderate": moderate,
    "tiny": tiny,
    "vgg16_article": vgg16_article,
}


def find_recipe(given: Any) -> Recipe:
    """Return the recipe that is meant.

    Args:
        given: A recipe, a name, the path of a .yaml file, or a mapping of plain values.

    Raises:
        InputError: If it is none of these.

    Example:
        >>> find_recipe("mobile") == mobile()
        True
        >>> mobile(epochs=2).save("own.yaml")
        >>> find_recipe("own.yaml").steps[1].epochs
        2
    """
    if isinstance(given, Recipe):
        return given
    if isinstance(given, Mapping):
        return Recipe.from_config(given)
    if isinstance(given, str) and given in NAMED:
        return NAMED[given]()
    if isinstance(given, str | os.PathLike):
        if Path(given).suffix in (".yaml", ".yml"):
            return Recipe.load(given)
        raise InputError(
            f"Unknown recipe {str(given)!r}. {nearest(str(given), NAMED)} Or give the path of a .yaml file."
        )
    raise InputError(f"recipe is {given!r}; give a Recipe, a name, or the path of a .yaml file.")
