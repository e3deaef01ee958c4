"""Where a student is furthest from its teacher: the layers that are worth matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.console import track
from tfprune.distillation.capture import Capture, find_layer
from tfprune.distillation.pairs import common_layers
from tfprune.distillation.teacher import check_teacher
from tfprune.errors import InputError
from tfprune.inputs import first_batch, gather, signature_of
from tfprune.shown import Shown

__all__ = ["Heat", "heat"]

Array = NDArray[Any]

BATCH = 32


@dataclass(frozen=True)
class Heat(Shown):
    """How far the layers of a student are from those of its teacher.

    Args:
        layers: Names of the student's layers, in order.
        teacher: Names of the teacher's.
        values: One minus the linear CKA of what both make, in [0, 1].

    Example:
        >>> found = Heat(("conv_1", "conv_2"), ("conv_1", "conv_2"), (0.05, 0.4))
        >>> found.hottest(1)
        {'conv_2': 'conv_2'}
        >>> print(found)
        conv_1  0.0500  ███
        conv_2  0.4000  ████████████████████████
    """

    layers: tuple[str, ...]
    teacher: tuple[str, ...]
    values: tuple[float, ...]

    def hottest(self, count: int = 3) -> dict[str, str]:
        """Return the layers that are furthest from their teacher's, for `layers` of a loss.

        Args:
            count: How many.

        Raises:
            InputError: If it is not a number from 1.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InputError(f"count is {count!r}; give an int from 1.")
        chosen = sorted(np.argsort([-value for value in self.values], kind="stable")[:count].tolist())
        return {self.layers[n]: self.teacher[n] for n in chosen}

    def __str__(self) -> str:
        width = max(map(len, self.layers), default=0)
        most = max(max(self.values, default=0.0), 1e-12)
        rows = zip(self.layers, self.values, strict=True)
        return "\n".join(f"{name:<{width}}  {value:6.4f}  {'█' * round(24 * value / most)}" for name, value in rows)


def heat(
    student: keras.Model,
    teacher: keras.Model,
    data: Any,
    *,
    layers: Sequence[str] | None = None,
    samples: int = 256,
    progress: bool = True,
) -> Heat:
    """Return how far the layers of a student are from those of its teacher on some samples.

    `1 − ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖)` of the centred features X and Y, samples in rows: linear CKA, which is 1 for features
    that are equal up to a rotation, a scale and a shift, whatever the numbers of channels. (Kornblith et al.,
    "Similarity of Neural Network Representations Revisited", ICML 2019, eq. 4.)

    Args:
        student: The student.
        teacher: The teacher.
        data: Samples, anything `fit` takes; labels are ignored.
        layers: Names of layers that both have; None takes all.
        samples: How many samples are used at most.
        progress: Whether to show a progress bar on a terminal.

    Raises:
        InputError: If they have no such layers in common, or the data don't fit.

    Example:
        >>> teacher = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"),
        ...                             keras.layers.Dense(16, name="b"), keras.layers.Dense(2)])
        >>> student = keras.models.clone_model(teacher)
        >>> student.set_weights(teacher.get_weights())
        >>> _ = student.get_layer("b").kernel.assign(keras.random.normal((16, 16)))
        >>> heat(student, teacher, keras.random.normal((64, 8)), progress=False).hottest(1)
        {'b': 'b'}
    """
    check_teacher(teacher, student)
    common = {own: other for own, (other, _, _) in common_layers(student, teacher).items()}
    if layers is not None:
        missing = [name for name in layers if name not in common]
        if missing:
            raise InputError(f"Student and teacher have no layers {missing} in common; they have {list(common)}.")
        common = {name: common[name] for name in layers}
    if not common:
        raise InputError("Student and teacher have no layers of the same names.")
    signature = signature_of(student, batch_size=None, sample=first_batch(data))
    arrays = gather(data, signature, samples, "data")
    if len(arrays[0]) < 2:
        raise InputError("data has one sample; give at least two, as features are compared between them.")
    watched = [
        Capture({name: find_layer(model, name, what) for name in names})
        for what, model, names in (("student", student, common), ("teacher", teacher, common.values()))
    ]
    found: list[dict[str, list[Array]]] = [{}, {}]
    starts = range(0, len(arrays[0]), BATCH)
    for start in track(starts, len(starts), "measure heat", progress):
        batch = signature.pack([array[start : start + BATCH] for array in arrays])
        for model, capture, kept in zip((student, teacher), watched, found, strict=True):
            with capture.running() as seen:
                model(batch, training=False)
            for name, tensors in seen.items():
                made = [np.asarray(x, "float64").reshape(x.shape[0], -1) for x in tensors]
                kept.setdefault(name, []).append(np.concatenate(made, axis=1))
    values = [distance(np.concatenate(found[0][own]), np.concatenate(found[1][other])) for own, other in common.items()]
    return Heat(tuple(common), tuple(common.values()), tuple(values))


def distance(x: Array, y: Array) -> float:
    """Return one minus the linear CKA of two sets of features, (samples, features) each."""
    products = [one @ one.T for one in (x - x.mean(axis=0), y - y.mean(axis=0))]
    both = float((products[0] * products[1]).sum())
    each = [float(np.linalg.norm(p)) for p in products]
    return float(np.clip(1.0 - both / max(each[0] * each[1], 1e-30), 0.0, 1.0))
