"""What a model was compiled with, and the memory of its optimizer, carried over to a smaller one."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras.optimizers import LossScaleOptimizer

from tfprune.surgery.rebuild import Rebuilt

__all__ = ["carry_compilation", "carry_optimizer"]


def carry_compilation(old: keras.Model, new: keras.Model) -> None:
    """Compile a model with what another was compiled with: a fresh optimizer, loss and metrics of the same config."""
    if not getattr(old, "compiled", False):
        return
    config = old.get_compile_config()
    if config:
        new.compile_from_config(config)


def carry_optimizer(old: keras.Model, new: keras.Model, rebuilt: Rebuilt) -> None:
    """Give the new model's optimizer what the old one remembers of the weights that are left.

    Momenta and the like are cut as their weights are; the step count and the learning rate are copied.
    """
    source, target = getattr(old, "optimizer", None), getattr(new, "optimizer", None)
    if source is None or target is None or not source.built:
        return
    target.build(new.trainable_variables)
    carry_steps(source, target)
    if isinstance(source, LossScaleOptimizer):  # the one inside holds what is remembered of the weights
        source, target = source.inner_optimizer, target.inner_optimizer
        carry_steps(source, target)
    index = {id(variable): number for number, variable in enumerate(source._trainable_variables)}
    for name, slots in vars(source).items():
        if not is_slots(slots, len(source._trainable_variables)) or name == "_trainable_variables":
            continue
        for variable, slot in zip(target._trainable_variables, getattr(target, name), strict=True):
            origin = rebuilt.origins.get(id(variable))
            if origin is None or id(origin) not in index or slot is None:
                continue
            memory: Any = slots[index[id(origin)]]
            values = np.asarray(memory.numpy())
            values = rebuilt.cut.slice(origin, values) if values.shape == tuple(origin.shape) else values
            if values.size == np.prod(slot.shape, dtype=int):  # a weight that is a Dense layer now has another shape
                slot.assign(values.reshape(slot.shape))


def carry_steps(source: Any, target: Any) -> None:
    """Copy the step count, with that of accumulated gradients, and the learning rate."""
    target._iterations.assign(source._iterations)
    if isinstance(source._learning_rate, keras.Variable):
        target._learning_rate.assign(source._learning_rate)


def is_slots(value: Any, count: int) -> bool:
    """Whether an attribute of an optimizer is a list with one variable for each trained one."""
    return isinstance(value, list) and len(value) == count and any(isinstance(entry, keras.Variable) for entry in value)
