"""Keras' stack of name scopes, kept as it is where a network is called that may fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["kept_name_scopes"]


@contextmanager
def kept_name_scopes() -> Iterator[None]:
    """Take off Keras' stack of name scopes, afterwards, what an error has left there.

    Keras puts a layer's name there before TensorFlow looks at it. If TensorFlow refuses the name, as that of a layer
    called `<b>` in a graph, the name of a layer around it stays, and begins the paths of all weights that are made from
    then on in this thread.

    Example:
        >>> import tensorflow as tf
        >>> from tfprune.name_scopes import kept_name_scopes
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="<b>")])
        >>> try:
        ...     with kept_name_scopes():
        ...         tf.function(model)(np.zeros((1, 2)))
        ... except ValueError:
        ...     print(keras.Variable(0.0, name="next").path)
        next
    """
    from keras.src.backend.common import global_state

    before = len(global_state.get_global_attribute("name_scope_stack") or ())
    try:
        yield
    finally:
        del (global_state.get_global_attribute("name_scope_stack") or [])[before:]
