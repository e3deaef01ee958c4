"""The end of the callback list: for what must happen after every other callback has had its turn.

`EarlyStopping(restore_best_weights=True)` and the like write weights in `on_train_end`, in the order in which the user
listed them. A promise about the final weights can only be kept, and a file of them only be written, after all of these.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

__all__ = ["PRUNE", "WRITE", "running_list", "speak_last"]

PRUNE, WRITE = 0, 1
"""The order among those that speak last: first the masks are made to hold, then files are written."""


class LastWord(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls a function at the end of training."""

    def __init__(self, speak: Callable[[], None], order: int) -> None:
        super().__init__()
        self.speak = speak
        self.order = order

    def on_train_end(self, logs: Any = None) -> None:
        """Call the function."""
        self.speak()


def running_list() -> keras.callbacks.CallbackList | None:
    """Return the callback list that is calling `set_model` now; None if something else is.

    Keras does not tell a callback about the others, so this looks for the list among the callers.
    """
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            return caller
        frame = frame.f_back
    return None


def speak_last(others: keras.callbacks.CallbackList, speak: Callable[[], None], order: int) -> None:
    """Have `speak` called at the end of training, after all callbacks of a list, in the given order."""
    position = len(others.callbacks)
    while position and getattr(others.callbacks[position - 1], "order", -1) > order:
        position -= 1
    others.callbacks.insert(position, LastWord(speak, order))
