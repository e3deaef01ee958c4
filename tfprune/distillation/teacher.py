"""The teacher: a frozen snapshot of a network, or another one that answers the same."""

from __future__ import annotations

from typing import Any

import keras
from keras import tree

from tfprune.distillation.structure import structure_of
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.surgery.rebuild import Rebuilt

__all__ = ["check_teacher", "snapshot"]

FUNCTIONAL = type(keras.Model(symbol := keras.Input((1,)), keras.layers.Identity()(symbol)))
"""The class of models that are made of inputs and outputs; Keras has no public name for it."""


def snapshot(model: keras.Model) -> keras.Model:
    """Return a copy of a built model with weights of its own, which computes the same at inference.

    Raises:
        InputError: If it can't be copied.
    """
    if not model.built:
        raise InputError(f"{model.name!r} is not built; call it on data once, so that it can be its own teacher.")
    if type(model) in (keras.Sequential, FUNCTIONAL):
        copied = keras.models.clone_model(model)
        copied.set_weights(model.get_weights())
    else:  # a class of its own may need arguments that no config has; what it calls is known
        graph = trace(model)
        copied = Rebuilt(graph, graph.cut([])).model()
    copied.name = f"{model.name}_teacher"
    return copied


def check_teacher(teacher: Any, student: keras.Model) -> None:
    """Refuse a teacher that takes or answers something else than the student.

    Raises:
        InputError: If it does, or is no built model.
    """
    if not isinstance(teacher, keras.Model):
        raise InputError(f"The teacher is {teacher!r}; give a keras.Model, or 'self' for a snapshot of the student.")
    for what, model in (("teacher", teacher), ("student", student)):
        if not model.built:
            raise InputError(f"The {what} {model.name!r} is not built; call it on data once.")
    compare("take", "inputs", teacher, student)
    compare("answer", "outputs", teacher, student)


def compare(verb: str, name: str, teacher: keras.Model, student: keras.Model) -> None:
    """Refuse models whose inputs or outputs differ in number, names of a dict, shapes or kinds of numbers."""
    structures = [structure_of(model, name) for model in (teacher, student)]
    if any(one is None for one in structures):
        return  # a subclassed model does not say
    keys = [sorted(s) if isinstance(s, dict) else None for s in structures]
    flat = [tree.flatten(s) for s in structures]
    shown = [", ".join(f"{tuple(x.shape)}" for x in xs) for xs in flat]
    advice = (
        "wrap the teacher so that it takes them: keras.Model(inputs, teacher(layer(inputs)))"
        if name == "inputs"
        else "give a teacher of the same task"
    )
    text = f"The teacher's {name} are {shown[0]}, the student's {shown[1]}; both have to {verb} the same: {advice}."
    if keys[0] != keys[1]:
        raise InputError(f"The teacher's {name} are called {keys[0]}, the student's {keys[1]}; {advice}.")
    if len(flat[0]) != len(flat[1]):
        raise InputError(text)
    for one, other in zip(*flat, strict=True):
        pairs = zip(one.shape[1:], other.shape[1:], strict=False)
        if len(one.shape) != len(other.shape) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise InputError(text)
        if name == "inputs" and keras.backend.is_float_dtype(one.dtype) != keras.backend.is_float_dtype(other.dtype):
            raise InputError(f"The teacher's {name} are {one.dtype}, the student's {other.dtype}; {advice}.")
