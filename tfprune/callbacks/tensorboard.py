"""Sparsity, weights and masks for TensorBoard, while `fit` trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfprune.arguments import named_arguments
from tfprune.backend import need_tensorflow
from tfprune.callbacks.stored import restored_layers, stored_layers
from tfprune.callbacks.student import student_of
from tfprune.errors import InputError
from tfprune.graph.choice import LayerChoice, inside
from tfprune.graph.tree import walk
from tfprune.numbers import is_integer
from tfprune.pruning.mask import read
from tfprune.pruning.selection import Target, find_kernels

__all__ = ["SparsityBoard", "mask_image"]

need_tensorflow(__name__)

BINS = 40
SIDE = 256
"""The most pixels of an image along each side."""

CLASSES = {"scalars": 1, "histograms": 2, "images": 3}
"""What TensorBoard calls the class of each plugin's data, by its number."""


@keras.saving.register_keras_serializable(package="tfprune")
class SparsityBoard(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes what becomes of a model's zeros for TensorBoard: sparsity, weights, masks.

    For each epoch the sparsity of all kernels and of each, a histogram of the weights of each that are not zero, and an
    image of what is kept of it: white pixels are weights, black ones zeros, grey ones parts of both; a row is an output
    channel, a column an input channel of one position of the window after the other. It works with any way of pruning,
    and stands beside `keras.callbacks.TensorBoard` with the same folder. The files are written without the package
    `tensorboard`; it shows them: `tensorboard --logdir logs`.

    Args:
        log_dir: The folder; it is made if it does not exist.
        histograms: Every how many epochs there are histograms; 0 for never.
        images: Every how many epochs there are images; 0 for never.
        layers: Only the kernels in these layers (objects, types, names, paths); None for all.

    Raises:
        InputError: If an argument makes no sense; at the start of `fit` if a layer is unknown.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> callbacks = [tfprune.PruneCallback(0.5, verbose=0), SparsityBoard("logs")]
        >>> x, y = keras.random.normal((64, 8)), keras.random.normal((64, 2))
        >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=callbacks)
        >>> import os
        >>> len(os.listdir("logs"))
        1
    """

    @named_arguments(histogram_freq="give histograms=1", log_directory="the first argument is the folder")
    def __init__(
        self, log_dir: str, *, histograms: int = 1, images: int = 1, layers: Sequence[LayerChoice] | None = None
    ) -> None:
        super().__init__()
        for name, value in (("histograms", histograms), ("images", images)):
            if not is_integer(value) or value < 0:
                raise InputError(f"{name} is {value!r}; give a number of epochs, or 0 for never.")
        self.log_dir, self.histograms, self.images, self.layers = str(log_dir), histograms, images, layers
        self._kernels: list[Target] = []
        self._writer: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Choose the kernels and open the file."""
        everything = dict(walk(student_of(self.model)))
        kernels, _ = find_kernels(everything)
        wanted = None if self.layers is None else inside(everything, self.layers)
        self._kernels = [each for each in kernels if wanted is None or id(each.layer) in wanted]
        self._writer = tf.summary.create_file_writer(self.log_dir)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write what the kernels are like after an epoch."""
        if self._writer is None:
            return
        zeros = total = 0
        with self._writer.as_default(step=epoch):
            for each in self._kernels:
                values = read(each.variable)
                none = values.size - int(np.count_nonzero(values))
                zeros, total = zeros + none, total + values.size
                write(f"sparsity/{each.path}", "scalars", np.float32(none / values.size))
                if self.histograms and epoch % self.histograms == 0:
                    write(f"weights/{each.path}", "histograms", histogram(values))
                if self.images and epoch % self.images == 0:
                    write(f"mask/{each.path}", "images", picture(mask_image(each.axes.to_matrix(values))))
            write("sparsity/all", "scalars", np.float32(zeros / max(total, 1)))
        self._writer.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; layers by their names."""
        chosen = stored_layers(self.layers)
        return {"log_dir": self.log_dir, "histograms": self.histograms, "images": self.images, "layers": chosen}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SparsityBoard:
        """Make a callback from `get_config()`'s result."""
        return cls(**{**config, "layers": restored_layers(config.get("layers"))})


def write(tag: str, plugin: str, value: Any) -> None:
    """Write a value in the form that one of TensorBoard's plugins reads.

    Args:
        tag: What it is called.
        plugin: "scalars" (a number), "histograms" (left, right, count) or "images" (width, height, PNG).
        value: The value.
    """
    metadata = tf.compat.v1.SummaryMetadata(data_class=CLASSES[plugin])
    metadata.plugin_data.plugin_name = plugin
    tf.summary.write(tag, tf.convert_to_tensor(value), metadata=metadata)


def histogram(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many weights other than zero lie between which bounds, float (bins, 3)."""
    kept = values[(values != 0) & np.isfinite(values)].astype(np.float64)
    if not kept.size:
        return np.zeros((0, 3))
    counts, edges = np.histogram(kept, BINS)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def mask_image(matrix: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the part of weights that are kept as grey levels, uint8 (outputs, positions · inputs), 256 × 256 at most.

    Args:
        matrix: A kernel as (positions, outputs, inputs).

    Example:
        >>> mask_image(np.array([[[1.0, 0.0], [0.0, 2.0]]])).tolist()
        [[255, 0], [0, 255]]
    """
    kept = np.moveaxis(matrix != 0, 0, 1).reshape(matrix.shape[1], -1).astype(np.float64)
    for axis in (0, 1):
        size = kept.shape[axis]
        if size > SIDE:
            starts = np.linspace(0, size, SIDE, endpoint=False).astype(int)
            counts = np.diff(np.append(starts, size))
            sums = np.add.reduceat(kept, starts, axis=axis)
            kept = sums / (counts[:, None] if axis == 0 else counts)
    found: NDArray[np.uint8] = np.round(kept * 255).astype(np.uint8)
    return found


def picture(levels: NDArray[np.uint8]) -> Any:
    """Return an image as TensorBoard keeps it: width, height and PNG, as strings."""
    encoded = tf.io.encode_png(levels[:, :, None])
    height, width = levels.shape
    return tf.stack([tf.constant(str(width)), tf.constant(str(height)), encoded])
