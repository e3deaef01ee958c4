"""The statistics that there are, by the names under which criteria ask for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["CHANNEL_STATISTICS", "WEIGHT_STATISTICS", "Statistic", "of_channels", "of_weights"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Statistic:
    """How one is computed.

    Args:
        compute: Of weights: from a `Study` and variables to an array for each, of its shape. Of channels: from a
            `Study` and channel groups to an array (channels, …) for each.
        needs: `"nothing"`, `"data"`, `"labels"` or `"training"`.
    """

    compute: Callable[..., Any]
    needs: str


WEIGHT_STATISTICS: dict[str, Statistic] = {}
CHANNEL_STATISTICS: dict[str, Statistic] = {}


def of_weights(name: str, needs: str) -> Callable[[F], F]:
    """Return a decorator that makes a function known as a statistic of weights.

    Args:
        name: What criteria ask for it by.
        needs: `"nothing"`, `"data"`, `"labels"` or `"training"`.
    """

    def decorate(function: F) -> F:
        WEIGHT_STATISTICS[name] = Statistic(function, needs)
        return function

    return decorate


def of_channels(name: str, needs: str) -> Callable[[F], F]:
    """Return a decorator that makes a function known as a statistic of channels.

    Args:
        name: What criteria ask for it by.
        needs: `"nothing"`, `"data"`, `"labels"` or `"training"`.
    """

    def decorate(function: F) -> F:
        CHANNEL_STATISTICS[name] = Statistic(function, needs)
        return function

    return decorate
