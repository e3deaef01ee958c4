"""What is to be undone at once when a training ends by an exception, as Keras calls no callback then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tfprune.backend import backend

__all__ = ["Guard"]


def end_of_data() -> tuple[type[BaseException], ...]:
    """Return what a step raises when there are no more batches."""
    if backend() != "tensorflow":
        return (StopIteration,)
    from tensorflow import errors

    return (StopIteration, errors.OutOfRangeError)


class Guard:
    """Calls a function if a step of `fit`, or a callback of it, raises; a `KeyboardInterrupt` too.

    Args:
        others: The callbacks of the training; None watches the steps only.
        undo: The function; called at most once.
    """

    def __init__(self, others: keras.callbacks.CallbackList | None, undo: Callable[[], None]) -> None:
        self._undo: Callable[[], None] | None = undo
        for name in dir(others):
            if others is not None and name.startswith("on_"):
                setattr(others, name, self._guarded(getattr(others, name)))

    def watch(self, model: keras.Model) -> None:
        """Watch the steps that a model has now."""
        for name in ("train_function", "test_function"):
            step = getattr(model, name, None)
            if step is not None and not hasattr(step, "guarded_by"):
                setattr(model, name, self._guarded(step))

    def rest(self) -> None:
        """Watch no longer."""
        self._undo = None

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        ends = end_of_data()

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except ends:
                raise
            except BaseException:
                undo, self._undo = self._undo, None
                if undo is not None:
                    undo()
                raise

        call.guarded_by = self  # type: ignore[attr-defined]
        return call
