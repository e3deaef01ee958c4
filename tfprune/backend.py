"""The backend that Keras runs on, and what a training on it keeps from its variables."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError

if TYPE_CHECKING:
    import keras

__all__ = [
    "backend",
    "current_value",
    "is_dataset",
    "need_tensorflow",
    "settle",
    "state_has_grown",
    "without_gradients",
]


def backend() -> str:
    """Return the name of the backend: `"tensorflow"`, `"jax"` or `"torch"`."""
    import keras

    return str(keras.backend.backend())


def need_tensorflow(what: str) -> None:
    """Raise an error if Keras runs on another backend than TensorFlow.

    Args:
        what: What needs it, such as `"The criterion 'taylor'"`.

    Raises:
        InputError: Then.
    """
    if backend() != "tensorflow":
        raise InputError(
            f"{what} needs TensorFlow, and Keras runs on {backend()!r}; set KERAS_BACKEND=tensorflow before Keras is "
            "imported."
        )


def is_dataset(data: Any) -> bool:
    """Whether data are a `tf.data.Dataset`; TensorFlow is not loaded for that."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(data, tensorflow.data.Dataset)


def without_gradients() -> AbstractContextManager[Any]:
    """Return a context in which nothing is kept for gradients; only PyTorch does so unasked."""
    if backend() != "torch":
        return nullcontext()
    import torch

    context: AbstractContextManager[Any] = torch.no_grad()
    return context


def settle(model: Any) -> None:
    """See to it that the variables of a model have the values that its training has come to.

    On JAX `fit` holds them as a state of its own between steps, and the variables have none; what is assigned to them
    after this call is what the next step begins with.
    """
    if backend() == "jax" and getattr(model, "_jax_state", None) is not None:
        model.jax_state_sync()


def state_has_grown(model: Any) -> None:
    """Have the train step made anew, as the optimizer has other variables than when `fit` began (JAX only).

    Where training is distributed, the compiled step knows how each of them is laid out.
    """
    if backend() == "jax":
        model.make_train_function(force=True)


def current_value(model: Any, variable: keras.Variable) -> Any:
    """Return the present value of a variable of the optimizer that trains a model, without disturbing the training."""
    if backend() == "jax" and getattr(model, "_jax_state", None) is not None and not model._jax_state_synced:
        held = model._jax_state["optimizer_variables"]
        for own, value in zip(model.optimizer.variables, held, strict=True):
            if own is variable:
                return value
    return variable.numpy()
