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
    "WRAPPER",
    "nearest",
    "no_weights",
    "one_line",
]


WRAPPER = "Exception encountered when calling"
"""How Keras begins an error in a layer's code, before it says what happened."""


class TfpruneError(Exception):
    """Base class of every error that tfprune raises on purpose.

    Example:
        >>> try:
        ...     tfprune.PruneCallback(sparsity=80)
        ... except tfprune.TfpruneError as error:
        ...     print(error)
        sparsity is 80; give a number from 0 up to but not including 1 (0.8 removes 80 %).
    """


class InputError(TfpruneError, ValueError):
    """An argument, a file or a model that can't be used as given; nothing has been changed.

    Example:
        >>> try:
        ...     tfprune.prune_layer(keras.layers.Dense(2, name="hidden"), 0.5)
        ... except tfprune.InputError as error:  # or ValueError
        ...     print(error)
        'hidden' has no weights yet; build it first by calling it on a batch (or model.build).
    """


class UnknownArgumentError(InputError, TypeError):
    """An argument that the function that was called does not have.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> try:
        ...     tfprune.sparsity_patterns(model, sample=8)
        ... except tfprune.InputError as error:  # or TypeError
        ...     print(str(error).split("? ")[0])
        sparsity_patterns() has no argument 'sample'. Did you mean 'samples'
    """


class SparsityError(TfpruneError, RuntimeError):
    """Pruning can't go on, or its promise does not hold: non-finite weights, or zeros that came back.

    Example:
        >>> layer = keras.layers.Dense(2, name="hidden")
        >>> layer.build((None, 3))
        >>> _ = layer.kernel.assign(np.full((3, 2), np.nan))
        >>> try:
        ...     tfprune.prune_layer(layer, 0.5)
        ... except tfprune.SparsityError as error:
        ...     print(str(error).split(";")[0])
        6 of the 6 weights in hidden/kernel are not finite
    """


class ExportError(TfpruneError, RuntimeError):
    """A model that can't be converted to TFLite, or whose TFLite file disagrees with Keras.

    Example:
        >>> from tfprune.export.parity import agreement
        >>> try:
        ...     agreement([np.array([[np.nan, np.nan]])], [np.array([[0.2, 0.8]])], "random")
        ... except tfprune.ExportError as error:
        ...     print(error)
        Output 0 of the Keras model is not finite on the random data; check its weights.
    """


class BenchmarkError(TfpruneError, RuntimeError):
    """A .tflite file that can't be run: malformed, crashing, or slower than the time limit.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("torn.tflite").write_bytes(Path("small.tflite").read_bytes()[:50_000])
        >>> try:
        ...     tfprune.benchmark.inspect("torn.tflite")
        ... except tfprune.BenchmarkError as error:
        ...     print(str(error).partition("torn.tflite ")[2].split(" (")[0])
        can't be run: the interpreter refused it while reading it
    """


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
