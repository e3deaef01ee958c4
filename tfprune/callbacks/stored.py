"""How callbacks store what they were given as plain values: layers that were chosen, and devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfprune.errors import InputError
from tfprune.graph.choice import LayerChoice
from tfprune.targets import TARGETS, Target

__all__ = ["restored_layers", "restored_target", "stored_layer", "stored_layers", "stored_target"]

keras.saving.register_keras_serializable(package="tfprune")(Target)

TYPE = "layer_type"


def stored_layer(choice: LayerChoice) -> Any:
    """Return the name of a chosen layer; of a type a mapping with the name that Keras knows it by."""
    if isinstance(choice, type):
        return {TYPE: keras.saving.get_registered_name(choice)}
    return choice if isinstance(choice, str) else choice.name


def stored_layers(choices: Any) -> list[Any] | None:
    """Return chosen layers as plain values; None stays None."""
    if choices is None:
        return None
    if isinstance(choices, str | type | keras.Layer):
        choices = [choices]
    return [stored_layer(choice) for choice in choices]


def restored_layers(given: Sequence[Any] | None) -> list[Any] | None:
    """Return what `stored_layers` has stored.

    Raises:
        InputError: If a type is not known to Keras.
    """
    if given is None:
        return None
    return [type_of(one[TYPE]) if isinstance(one, Mapping) and TYPE in one else one for one in given]


def type_of(name: str) -> type:
    """Return the class of layers that Keras knows by a name."""
    found = keras.saving.get_registered_object(name) or getattr(keras.layers, name, None)
    if not isinstance(found, type):
        raise InputError(
            f"Keras knows no type of layers {name!r}; define it before, with "
            "@keras.saving.register_keras_serializable()."
        )
    return found


def stored_target(target: str | Target | None) -> Any:
    """Return the name of a target that is known by it; of any other what it was made with."""
    if not isinstance(target, Target):
        return target
    return target.name if TARGETS.get(target.name) == target else keras.saving.serialize_keras_object(target)


def restored_target(given: Any) -> Any:
    """Return what `stored_target` has stored."""
    return keras.saving.deserialize_keras_object(given) if isinstance(given, Mapping) else given
