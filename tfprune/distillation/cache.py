"""A teacher's answers on disk: asked once, not in every epoch."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree
from numpy.typing import NDArray

from tfprune.backend import need_tensorflow
from tfprune.console import track
from tfprune.distillation.fingerprint import fingerprint
from tfprune.distillation.lessons import ANSWERS, TARGETS
from tfprune.errors import InputError
from tfprune.files import atomic_path
from tfprune.inputs.samples import batches_of

__all__ = ["with_answers"]

need_tensorflow(__name__)

Array = NDArray[Any]


def with_answers(
    teacher: keras.Model,
    data: Any,
    path: str | os.PathLike[str],
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    progress: bool = True,
) -> tf.data.Dataset:
    """Return data that carry the teacher's answers along, which are kept in a file.

    `Distiller.fit` then asks the teacher nothing, unless a loss compares layers. An answer belongs to a sample by what
    is in it, so data may come in any order, also shuffled anew in each epoch; but a sample must not be varied from one
    epoch to the next: vary the data before, and repeat them, or don't keep answers. A file of the same teacher is used
    again, and only what it lacks is asked.

    Args:
        teacher: The teacher, as a distiller's `teacher`.
        data: `(x, y)` or `(x, y, sample_weight)` of arrays, or x alone; or a batched `tf.data.Dataset` of such.
        path: The file, `.npz`.
        batch_size: Samples in a batch, where data are arrays.
        shuffle: Whether arrays are shuffled anew in each epoch.
        seed: Seed of that.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        A dataset for `Distiller.fit`.

    Raises:
        InputError: If the data are neither, or the path is not one of a `.npz` file.

    Example:
        >>> student = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation="softmax")])
        >>> distiller = tfprune.Distiller(student)
        >>> distiller.compile("adam", "sparse_categorical_crossentropy")
        >>> x, y = np.ones((64, 8), "float32"), np.zeros(64)
        >>> data = with_answers(distiller.teacher, (x, y), "answers.npz", progress=False)
        >>> history = distiller.fit(data, epochs=2, shuffle=False, verbose=0)
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"The teacher's answers go to a .npz file; {str(path)!r} was given.")
    if isinstance(data, tf.data.Dataset):
        dataset = data
    else:
        parts = data if isinstance(data, tuple) else (data,)
        if not all(hasattr(leaf, "shape") for leaf in tree.flatten(parts)):
            raise InputError(f"data is a {type(data).__name__}; give arrays, or a tf.data.Dataset of batches.")
        arrays = tree.map_structure(np.asarray, parts)
        dataset = tf.data.Dataset.from_tensor_slices(arrays)
        if shuffle:
            dataset = dataset.shuffle(len(tree.flatten(arrays)[0]), seed=seed, reshuffle_each_iteration=True)
        dataset = dataset.batch(batch_size)
    known = Answers(teacher, path)
    known.ask(dataset, progress=progress)
    return dataset.map(known.join, num_parallel_calls=1).prefetch(2)


class Answers:
    """A teacher's answers by sample.

    Args:
        teacher: The teacher.
        path: Where they are kept.
    """

    def __init__(self, teacher: keras.Model, path: Path) -> None:
        self.teacher, self.path = teacher, path
        self.places: dict[bytes, int] = {}
        self.flat: list[Array] = []
        self.structure: Any = None
        self._mark = fingerprint(teacher)
        self._read()

    def ask(self, batches: tf.data.Dataset, *, progress: bool = False) -> None:
        """Have the teacher answer the samples that it has not yet, and write the file."""
        new: list[list[Array]] = []
        count = int(batches.cardinality())
        for batch in track(batches_of(batches), max(count, 0), "ask the teacher", progress):
            x = batch[0] if isinstance(batch, tuple) else batch
            keys = keys_of(tree.map_structure(np.asarray, x))
            missing = {key: row for row, key in enumerate(keys) if key not in self.places}
            if not missing and self.structure is not None:
                continue
            made = self.teacher.predict_on_batch(x)
            self.structure = made
            for key in missing:
                self.places[key] = len(self.places)
            if missing:
                new.append([np.asarray(one, "float32")[list(missing.values())] for one in tree.flatten(made)])
        if not self.places:
            raise InputError("data is empty; give at least one sample.")
        if new:
            old = [self.flat] if self.flat else []
            self.flat = [np.concatenate(parts) for parts in zip(*old, *new, strict=True)]
            self._write()

    def join(self, x: Any, y: Any = None, *weight: Any) -> tuple[Any, ...]:
        """Return a batch with the answers among its targets; runs in a graph."""
        shapes = [tf.TensorShape([None, *one.shape[1:]]) for one in self.flat]
        found = tf.numpy_function(self._look_up, tf.nest.flatten(x), [tf.float32] * len(shapes))
        for tensor, shape in zip(found, shapes, strict=True):
            tensor.set_shape(shape)
        answers = tree.pack_sequence_as(self.structure, list(found))
        targets = {ANSWERS: answers} if y is None else {ANSWERS: answers, TARGETS: y}
        return (x, targets, *weight)

    def _look_up(self, *flat: Array) -> list[Array]:
        rows = []
        for key in keys_of(list(flat)):
            if key not in self.places:
                raise InputError(
                    "A sample is new to the teacher: the data change from one epoch to the next. Vary them before, or "
                    "train without with_answers."
                )
            rows.append(self.places[key])
        return [one[rows] for one in self.flat]

    def _read(self) -> None:
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                if str(arrays["teacher"]) != self._mark:
                    return
                keys, flat = arrays["keys"], [arrays[f"answers_{n}"] for n in range(int(arrays["outputs"]))]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return  # there is none, or it is damaged: all is asked anew
        self.places = {key.tobytes(): place for place, key in enumerate(keys)}
        self.flat = flat

    def _write(self) -> None:
        keys = np.frombuffer(b"".join(self.places), dtype=np.uint8).reshape(len(self.places), -1)
        answers = {f"answers_{number}": one for number, one in enumerate(self.flat)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, teacher=self._mark, keys=keys, outputs=len(self.flat), **answers)  # type: ignore[arg-type]


def keys_of(x: Any) -> Iterator[bytes]:
    """Yield a key for each sample, from what is in it."""
    flat = [np.ascontiguousarray(one) for one in tree.flatten(x)]
    for row in range(len(flat[0])):
        digest = hashlib.blake2b(digest_size=16)
        for one in flat:
            digest.update(one[row].tobytes())
        yield digest.digest()
