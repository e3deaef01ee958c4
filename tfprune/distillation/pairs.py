"""Which layers of a student are compared with which of its teacher, and in which channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfprune.distillation.base import FeatureLoss, Layers
from tfprune.distillation.capture import find_layer, layers_of, shapes_of
from tfprune.distillation.relations import Relational
from tfprune.errors import InputError
from tfprune.surgery.kept import channel_axis, kept_channels

__all__ = ["Matching", "Pair", "common_layers", "find_matching"]

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Pair:
    """A layer of the student with one of the teacher.

    Args:
        student: Name of the student's layer.
        teacher: Name of the teacher's.
        axes: The axes of their channels, student's first.
        kept: Which of the teacher's channels the student's are; None if all, or if there is a projection.
        projection: What makes the student's channels as many as the teacher's; None if nothing has to.
    """

    student: str
    teacher: str
    axes: tuple[int, int]
    kept: NDArray[np.int64] | None = field(default=None, repr=False)
    projection: keras.Layer | None = field(default=None, repr=False)

    def align(self, student: Any, teacher: Any) -> tuple[Any, Any]:
        """Return what both make as float32 with the channels last, and the same ones where they have to be."""
        student, teacher = (
            ops.cast(ops.moveaxis(x, axis, -1), "float32")
            for x, axis in zip((student, teacher), self.axes, strict=True)
        )
        if self.kept is not None:
            teacher = ops.take(teacher, self.kept, axis=-1)
        if self.projection is not None:
            student = self.projection(student)
        return student, teacher


@dataclass(frozen=True)
class Matching:
    """All pairs that the losses of features compare.

    Args:
        pairs: For each loss its pairs.
        student: The student's layers, by name.
        teacher: The teacher's.
    """

    pairs: Sequence[Sequence[Pair]]
    student: Mapping[str, keras.Layer] = field(repr=False)
    teacher: Mapping[str, keras.Layer] = field(repr=False)


def find_matching(student: keras.Model, teacher: keras.Model, losses: Sequence[FeatureLoss], seed: int) -> Matching:
    """Return which layers the losses compare.

    Raises:
        InputError: If a layer is unknown, can't be seen, or two can't be compared.
    """
    if not losses:
        return Matching([], {}, {})
    chosen = [choose(student, teacher, loss) for loss in losses]
    own = {name: find_layer(student, name, "student") for names in chosen for name in names}
    theirs = {name: find_layer(teacher, name, "teacher") for names in chosen for name in names.values()}
    shapes, wanted = shapes_of(student, own), shapes_of(teacher, theirs)
    for what, names, known in (("student", own, shapes), ("teacher", theirs, wanted)):
        for name in names:
            if name not in known:
                raise InputError(
                    f"What the {what}'s layer {name!r} makes can't be seen: it is not called, or within a loop, as "
                    "those in a TimeDistributed or recurrent layer are. Give another layer."
                )
    pairs: list[list[Pair]] = []
    for loss, names in zip(losses, chosen, strict=True):
        found = []
        for number, (name, other) in enumerate(names.items()):
            if len(shapes[name]) != len(wanted[other]):
                raise InputError(
                    f"{name!r} is called {len(shapes[name])} times and {other!r} {len(wanted[other])} times; give "
                    "layers that are called equally often."
                )
            one = name, own[name], shapes[name][0]
            two = other, theirs[other], wanted[other][0]
            kept = kept_of(student, own[name], theirs[other])
            found.append(make_pair(one, two, kept, aligned=loss.aligned, seed=seed + number))
        pairs.append(found)
    return Matching(pairs, own, theirs)


def choose(student: keras.Model, teacher: keras.Model, loss: FeatureLoss) -> dict[str, str]:
    """Return the teacher's layer for each of the student's that a loss compares, by their names."""
    if loss.layers is not None:
        names = loss.layers if isinstance(loss.layers, Mapping) else {name: name for name in listed(loss.layers)}
        if not names:
            raise InputError(
                f"{type(loss).__name__} has no layers; name at least one, or give None to have some chosen."
            )
        known = {layer.path: name for name, layer in layers_of(teacher).items()}
        records = kept_channels(student)
        return {
            own: known.get(records[own].layer, other) if own == other and own in records else other
            for own, other in names.items()
        }
    common = common_layers(student, teacher)
    if not common:
        raise InputError(
            f"Student and teacher have no layers of the same names; tell {type(loss).__name__} which to compare: "
            "layers={student's name: teacher's name}."
        )
    if isinstance(loss, Relational):
        return last_of(common)
    last: dict[tuple[int | None, ...], tuple[str, str]] = {}
    for own, (other, shape, axis) in common.items():
        if len(shape) > 2:
            last[tuple(size for number, size in enumerate(shape) if number not in (0, axis))] = own, other
    return dict(last.values()) if last else last_of(common)


def last_of(common: Mapping[str, tuple[str, Shape, int]]) -> dict[str, str]:
    """Return the last of some layers, with the teacher's."""
    own = list(common)[-1]
    return {own: common[own][0]}


def listed(layers: Layers) -> list[str]:
    """Return names as a list, one of them too."""
    return [layers] if isinstance(layers, str) else list(layers or ())


def common_layers(student: keras.Model, teacher: keras.Model) -> dict[str, tuple[str, Shape, int]]:
    """Return the student's layers that the teacher has too, in order, without those that make the outputs.

    Returns:
        The teacher's name, and the shape and the axis of the channels of what the student's makes, by its name.
    """
    own, theirs = layers_of(student), layers_of(teacher)
    by_path = {layer.path: name for name, layer in theirs.items()}
    records = kept_channels(student)
    names = {name: by_path.get(records[name].layer, name) if name in records else name for name in own}
    names = {name: other for name, other in names.items() if other in theirs}
    shapes = shapes_of(student, {name: own[name] for name in names})
    wanted = shapes_of(teacher, {other: theirs[other] for other in names.values()})
    ends = {symbol._keras_history.operation.name for symbol in getattr(student, "outputs", None) or ()}
    found = {}
    for name in shapes:
        other = names[name]
        axis = channel_axis(own[name], len(shapes[name][0]))
        alike = other in wanted and len(shapes[name]) == len(wanted[other])
        if name not in ends and axis is not None and alike and len(shapes[name][0]) == len(wanted[other][0]):
            found[name] = other, shapes[name][0], axis
    return found


def kept_of(student: keras.Model, own: keras.Layer, other: keras.Layer) -> NDArray[np.int64] | None:
    """Return which of the teacher's channels the student's are; None if nobody knows."""
    record = kept_channels(student).get(own.name)
    same = record is not None and (
        record.layer in (other.path, other.name) or record.layer.split("/")[-1] == other.name
    )
    return np.asarray(record.channels) if record is not None and same else None


def make_pair(
    own: tuple[str, keras.Layer, Shape],
    other: tuple[str, keras.Layer, Shape],
    kept: NDArray[np.int64] | None,
    *,
    aligned: bool,
    seed: int,
) -> Pair:
    """Return two layers that can be compared.

    Raises:
        InputError: If they can't be.
    """
    (name, layer, shape), (other_name, other_layer, wanted) = own, other
    if len(shape) != len(wanted) or len(shape) < 2:
        raise InputError(f"{name!r} makes {shape} and {other_name!r} {wanted}; give layers with as many axes.")
    axes = (channel_axis(layer, len(shape)) or 1, channel_axis(other_layer, len(wanted)) or 1)
    places = [
        tuple(x for n, x in enumerate(s) if n not in (0, axis)) for s, axis in zip((shape, wanted), axes, strict=True)
    ]
    if any(a is not None and b is not None and a != b for a, b in zip(*places, strict=True)):
        raise InputError(
            f"{name!r} makes {shape} and {other_name!r} {wanted}: they differ in more than channels. Give layers of "
            "the same resolution."
        )
    channels, most = shape[axes[0]], wanted[axes[1]]
    if not aligned or (channels == most and (kept is None or len(kept) == most)):
        return Pair(name, other_name, axes)
    if channels is None or most is None:
        raise InputError(f"{name!r} makes {shape} and {other_name!r} {wanted}: their channels have to be known.")
    if kept is not None and len(kept) == channels and kept.max(initial=-1) < most:
        return Pair(name, other_name, axes, kept=kept)
    start = keras.initializers.Orthogonal(seed=seed)
    projection = keras.layers.Dense(most, use_bias=False, kernel_initializer=start, name=f"project_{layer.name}")
    projection.build((None, *shape[1 : axes[0]], *shape[axes[0] + 1 :], channels))
    return Pair(name, other_name, axes, projection=projection)
