"""What tells one model from others: what it computes, and what it is trained for."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import keras
import numpy as np

from tfprune.graph.tree import walk

__all__ = ["compiled_as", "fingerprint"]


def fingerprint(model: keras.Model) -> str:
    """Return what tells a model's weights and layers from others; names of layers don't matter.

    Args:
        model: A built model.
    """
    digest = hashlib.blake2b(digest_size=16)
    for weight in model.weights:
        values = np.asarray(weight.numpy())
        digest.update(f"{values.shape}{values.dtype}".encode() + np.ascontiguousarray(values).tobytes())
    names: dict[str, str] = {}
    for _, layer in walk(model):
        for operation in (layer, *getattr(layer, "operations", ())):
            names.setdefault(operation.name, f"#{len(names)}")
    digest.update(text_of(renamed(structure(model), names)).encode())
    return digest.hexdigest()


def compiled_as(model: keras.Model) -> str:
    """Return what tells a model's loss, metrics and optimizer from others; empty if it has none.

    Args:
        model: Any model.
    """
    config = model.get_compile_config() if getattr(model, "compiled", False) else None
    return text_of(unnamed(config)) if config else ""


def structure(model: keras.Model) -> Any:
    """Return a model's config without what it is compiled with; only its class, if it has none."""
    try:
        config = dict(keras.saving.serialize_keras_object(model))
    except Exception:  # a subclassed model of which only the weights are known
        return type(model).__qualname__
    config.pop("compile_config", None)
    return config


def renamed(value: Any, names: dict[str, str]) -> Any:
    """Return plain values with other names in them."""
    if isinstance(value, dict):
        return {key: renamed(one, names) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def unnamed(value: Any) -> Any:
    """Return plain values without the names of losses and metrics, which Keras counts up."""
    if isinstance(value, dict):
        return {key: unnamed(one) for key, one in value.items() if key != "name"}
    return [unnamed(one) for one in value] if isinstance(value, list | tuple) else value


def text_of(value: Any) -> str:
    """Return plain values as text that is the same in every process."""
    return json.dumps(value, sort_keys=True, default=lambda one: type(one).__qualname__)
