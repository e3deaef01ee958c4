"""Images of benchmarks that train: all of CIFAR-10 (JPEG), or all of Fashion-MNIST, shifted and mirrored."""

from __future__ import annotations

import argparse
import io
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import FOLDER, make_parser

FEW = 512
"""Images of each split, where the benchmark is only to be seen running."""


@dataclass(frozen=True)
class Images:
    """Images of 32 × 32, as bytes, and their classes.

    Attributes:
        name: What they are called.
        x_train: uint8, (samples, 32, 32, channels).
        y_train: int32, (samples,).
        x_test: Others.
        y_test: Their classes.
    """

    name: str
    x_train: Any
    y_train: Any
    x_test: Any
    y_test: Any

    def batches(self, size: int, seed: int) -> Any:
        """Return an epoch's batches of training images, shifted, mirrored, and made as small as wanted."""
        import tensorflow as tf

        def vary(x: Any, y: Any) -> Any:
            x = tf.image.random_flip_left_right(tf.pad(tf.cast(x, tf.float32), [(0, 0), (4, 4), (4, 4), (0, 0)]))
            x = tf.image.random_crop(x, (tf.shape(x)[0], 32, 32, self.x_train.shape[-1]))
            return (x if size == 32 else tf.image.resize(x, (size, size), method="area")), y

        data = tf.data.Dataset.from_tensor_slices((self.x_train, self.y_train))
        data = data.shuffle(len(self.x_train), seed=seed).batch(128, drop_remainder=True)
        return data.map(vary, num_parallel_calls=1).prefetch(2)

    def varied(self, seed: int) -> tuple[Any, Any]:
        """Return all training images once, each shifted by up to four pixels and perhaps mirrored, with their classes.

        The same seed gives the same images, so that a teacher's answers to them can be kept.
        """
        import numpy as np

        rng = np.random.default_rng(seed)
        padded = np.pad(self.x_train, [(0, 0), (4, 4), (4, 4), (0, 0)])
        rows, columns = rng.integers(0, 9, (2, len(padded), 1, 1))
        steps = np.arange(32)
        picked = padded[
            np.arange(len(padded))[:, None, None], rows + steps[:, None], columns + steps[None]
        ]  # (samples, 32, 32, channels)
        mirrored = rng.random(len(padded)) < 0.5
        picked[mirrored] = picked[mirrored, :, ::-1]
        return picked, self.y_train


def cifar10_jpeg(folder: Path, few: bool = False) -> Images:
    """Return the images of `cifar10_jpeg.npz`, decoded."""
    import numpy as np
    from PIL import Image

    arrays = []
    with np.load(folder / "cifar10_jpeg.npz") as packed:
        for split in ("train", "test"):
            data, offsets = packed[f"jpeg_{split}"].tobytes(), packed[f"offset_{split}"]
            spans = list(itertools.pairwise(offsets))[: FEW if few else None]
            images = [np.asarray(Image.open(io.BytesIO(data[a:b])).convert("RGB")) for a, b in spans]
            arrays += [np.stack(images), packed[f"label_{split}"][: len(spans)].astype("int32")]
    return Images("CIFAR-10 (JPEG)", *arrays)


def fashion_mnist(few: bool = False) -> Images:
    """Return Fashion-MNIST, with a margin of two pixels; few are the subset that comes with tfprune."""
    import numpy as np

    import tfprune

    data = tfprune.datasets.fashion_mnist_small() if few else tfprune.datasets.fashion_mnist()
    count = FEW if few else None
    arrays: list[Any] = []
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        arrays += [np.pad(x[:count], [(0, 0), (2, 2), (2, 2), (0, 0)]), y[:count].astype("int32")]
    return Images("Fashion-MNIST", *arrays)


def parser_with_work(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of a benchmark that trains on them, and keeps networks."""
    parser = make_parser(description)
    parser.add_argument("--data-dir", type=Path, help="where cifar10_jpeg.npz is")
    parser.add_argument("--work", type=Path, help="folder for the networks; else one beside this script")
    return parser


def work_of(arguments: argparse.Namespace, name: str) -> Path:
    """Return the folder for a benchmark's networks, made if there is none."""
    work = (arguments.work or FOLDER / f"work_{name}") / ("quick" if arguments.quick else "")
    work.mkdir(parents=True, exist_ok=True)
    return work
