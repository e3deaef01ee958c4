"""Some epochs of training with the whole network as the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import tree

from tfprune.distillation import Distiller
from tfprune.distillation.teacher import snapshot
from tfprune.graph.random_state import restart_random_states
from tfprune.recipe.work import SMALL, Work, rate_of, unpacked

__all__ = ["BATCH", "taught", "tuned"]

BATCH = 64


def tuned(model: keras.Model, teacher: keras.Model, work: Work, train: Any, *, epochs: int, seed: int) -> keras.Model:
    """Return a copy of a network after some epochs of training with a teacher.

    Args:
        model: The network.
        teacher: The whole network, compiled.
        work: Compiles as the whole network was.
        train: Data with labels, anything `fit` takes.
        epochs: How long.
        seed: Seed of the training.
    """
    made = snapshot(model)
    made.name = model.name
    taught(made, teacher, work, train, epochs=epochs, seed=seed)
    work.compile(made)
    return made


def taught(
    student: keras.Model,
    teacher: keras.Model,
    work: Work,
    train: Any,
    *,
    epochs: int,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train a network in place with a teacher, at a tenth of the rate that the teacher was compiled with."""
    restart_random_states(student, seed)
    distiller = Distiller(student, teacher, seed=seed)
    work.compile(distiller, SMALL * rate_of(teacher.optimizer))
    x, more = unpacked(train)
    if all(hasattr(one, "shape") for one in tree.flatten(x)):
        more["batch_size"] = BATCH
    distiller.fit(x, epochs=epochs, verbose=0, callbacks=list(callbacks), **more)
