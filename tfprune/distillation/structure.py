"""What a model says of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import tree

__all__ = ["output_names", "structure_of"]


def structure_of(model: keras.Model, name: str) -> Any:
    """Return the symbolic inputs or outputs of a model in their structure; None of one that does not say."""
    symbols = getattr(model, name, None)
    if not symbols:
        return None
    return symbols[0] if isinstance(model, keras.Sequential) else getattr(model, name[:-1])


def output_names(model: keras.Model, outputs: Any) -> list[str]:
    """Return the names of a model's outputs, as losses and metrics are given by them."""
    if isinstance(outputs, Mapping):
        return [str(name) for name in sorted(outputs)]
    names = getattr(model, "output_names", None)
    return [str(name) for name in names] if names else [f"output_{n}" for n in range(len(tree.flatten(outputs)))]
