"""How users choose layers: by themselves, by type, by name or by path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import keras

from tfprune.errors import InputError, nearest
from tfprune.graph.tree import walk

__all__ = ["LayerChoice", "inside", "resolve"]

LayerChoice: TypeAlias = "keras.Layer | type | str"
"""A layer is chosen by itself, by its type, or by its name or path; a composite layer or model stands for all in it."""


def inside(everything: Mapping[str, keras.Layer], choices: Iterable[LayerChoice]) -> set[int]:
    """Return the `id`s of all layers in the chosen ones, themselves included."""
    if isinstance(choices, str | keras.Layer | type):
        choices = [choices]
    return {id(layer) for choice in choices for chosen in resolve(everything, choice) for _, layer in walk(chosen)}


def resolve(everything: Mapping[str, keras.Layer], choice: Any) -> list[keras.Layer]:
    """Return the layers that one choice stands for."""
    if isinstance(choice, keras.Layer):
        if all(layer is not choice for layer in everything.values()):
            raise InputError(f"The layer {choice.name!r} is not part of this model; give one of its layers.")
        return [choice]
    if isinstance(choice, type):
        return [layer for layer in everything.values() if isinstance(layer, choice)]
    if not isinstance(choice, str):
        raise InputError(f"{choice!r} does not choose a layer; give a layer, a type of layers, a name or a path.")
    if choice in everything:
        return [everything[choice]]
    named = {path: layer for path, layer in everything.items() if path.rsplit("/", 1)[-1] == choice}
    if not named:
        raise InputError(f"There is no layer {choice!r}. {nearest(choice, filter(None, everything))}")
    if len(named) > 1:
        raise InputError(f"{len(named)} layers are called {choice!r}; give one of the paths {', '.join(named)}.")
    return list(named.values())
