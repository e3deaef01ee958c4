"""The errors of tfprune: each says what was given, what is allowed and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "BenchmarkError",
    "ExportError",
    "InputError",
    "SparsityError",
    "TfpruneError",
    "UnknownArgumentError",
    "nearest",
    "no_weights",
    "one_line",
]


class TfpruneError(Exception):
    """Base class of every error that tfprune raises on purpose."""


class InputError(TfpruneError, ValueError):
    """An argument, a file or a model that can't be used as given; nothing has been changed."""


class UnknownArgumentError(InputError, TypeError):
    """An argument that the function that was called does not have."""


class SparsityError(TfpruneError, RuntimeError):
    """Pruning can't go on, or its promise does not hold: non-finite weights, or zeros that came back."""


class ExportError(TfpruneError, RuntimeError):
    """A model that can't be converted to TFLite, or whose TFLite file disagrees with Keras."""


class BenchmarkError(TfpruneError, RuntimeError):
    """A .tflite file that can't be run: malformed, crashing, or slower than the time limit."""


def nearest(name: object, allowed: Iterable[str]) -> str:
    """Say which names are allowed and which of them is the nearest to a wrong one.

    Args:
        name: What was given.
        allowed: The names that would have worked.

    Returns:
        A sentence for the end of an error message.

    Example:
        >>> nearest("magnitud", ["random", "magnitude"])
        "Did you mean 'magnitude'? Allowed: 'magnitude', 'random'."
    """
    names = sorted(allowed)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Allowed: {', '.join(map(repr, names))}."


def no_weights(model: Any) -> InputError:
    """Return the error about a model that has not been built."""
    return InputError(f"{model.name!r} has no weights yet; build it first by calling it on a batch (or model.build).")


def one_line(text: str, longest: int = 300) -> str:
    r"""Make text of a file, a model or another program safe to print: one line, no control characters, not too long.

    Args:
        text: The text.
        longest: The most characters that are left of it.

    Example:
        >>> one_line("\x1b[31mred\n  alert")
        '[31mred alert'
    """
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
