"""Calls with an argument that there is none of: which function was called, and which argument is meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tfprune.errors import UnknownArgumentError, nearest

__all__ = ["named_arguments"]

P = ParamSpec("P")
R = TypeVar("R")


def named_arguments(**meant: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that has a function refuse arguments that it does not have, and say which it has.

    Args:
        **meant: What is to be given instead of arguments as other tools call them, by their names.

    Example:
        >>> @named_arguments(ratio="give amount=0.5")
        ... def prune(model, *, amount=0.5):
        ...     return amount
        >>> prune(None, amuont=0.3)
        Traceback (most recent call last):
        tfprune.errors.UnknownArgumentError: prune() has no argument 'amuont'. Did you mean 'amount'? Allowed: ...
        >>> prune(None, ratio=0.3)
        Traceback (most recent call last):
        tfprune.errors.UnknownArgumentError: prune() has no argument 'ratio': give amount=0.5. Allowed: ...
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__qualname__.removesuffix(".__init__")
        allowed = [own for own in inspect.signature(function).parameters if own != "self"]

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for given in kwargs:
                if given not in allowed:
                    said = f": {meant[given]}" if given in meant else ""
                    raise UnknownArgumentError(f"{name}() has no argument {given!r}{said}. {nearest(given, allowed)}")
            return function(*args, **kwargs)

        return call

    return decorate
