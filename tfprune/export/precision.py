"""Models in mixed or reduced precision: TFLite computes in float32, so a float32 twin is converted instead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfprune.errors import InputError

__all__ = ["float32_twin", "reduced_precision"]

REDUCED = ("float16", "bfloat16", "float64")


def reduced_precision(model: Any) -> str | None:
    """Return the first dtype other than float32 in which a model computes or stores floats, or None.

    Args:
        model: A built Keras model.

    Returns:
        "float16", "bfloat16", "float64" or None.
    """
    for layer in model._flatten_layers():
        for dtype in (layer.compute_dtype, layer.variable_dtype):
            if dtype in REDUCED:
                return str(dtype)
    return next((str(v.dtype) for v in model.weights if str(v.dtype) in REDUCED), None)


def float32_twin(model: Any) -> Any:
    """Return a copy of a model that computes in float32, with the same weights; the model itself is left alone.

    The converter has no kernels for half-precision arithmetic: it refuses a model of the "mixed_float16" policy.

    Args:
        model: A built Keras model that can be rebuilt from its configuration.

    Returns:
        The copy.

    Raises:
        InputError: If the model can't be rebuilt, or if part of it keeps computing in another precision.
    """
    import keras

    advice = "build the model with the dtype policy 'float32', give it these weights (set_weights) and export that."
    custom = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    config = _in_float32(keras.saving.serialize_keras_object(model))
    try:
        with _policy("float32"):
            # The configuration comes from a model in this very process: nothing foreign is loaded.
            twin = keras.saving.deserialize_keras_object(config, custom_objects=custom, safe_mode=False)
        twin.set_weights([np.asarray(weight, np.float32) for weight in _as_floats(model)])
    except Exception as error:
        raise InputError(
            f"TFLite has no {reduced_precision(model)} arithmetic, and {model.name!r} can't be rebuilt in float32 "
            f"({type(error).__name__}: {str(error)[:200]}); {advice}"
        ) from error
    left = reduced_precision(twin)
    if left:
        raise InputError(f"A float32 copy of {model.name!r} still computes in {left}; {advice}")
    return twin


def _as_floats(model: Any) -> list[Any]:
    import keras

    return [keras.ops.convert_to_numpy(weight).astype(np.float32) for weight in model.weights]


def _in_float32(config: Any) -> Any:
    """Rewrite every reduced-precision dtype policy in a Keras configuration."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            name = str(config["config"]["name"])
            return {**config, "config": {"name": "float32"}} if any(r in name for r in REDUCED) else config
        return {
            key: "float32" if key == "dtype" and _is_reduced(value) else _in_float32(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(item) for item in config)
    return config


def _is_reduced(value: Any) -> bool:
    return isinstance(value, str) and any(name in value for name in REDUCED)


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    """Make `name` the global dtype policy for a while, for layers that are made inside other layers."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
