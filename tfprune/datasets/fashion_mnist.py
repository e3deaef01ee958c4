"""Fashion-MNIST: 28 × 28 grey images of ten kinds of clothes; whole where it is installed, else a subset.

Xiao, Rasul & Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms" (2017),
MIT licence (LICENSE.fashion-mnist beside this file).
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError

__all__ = ["CLASSES", "ImageData", "fashion_mnist", "fashion_mnist_small"]

CLASSES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SMALL_FILE = Path(__file__).with_name("fashion_mnist_small.npz")


@dataclass(frozen=True)
class ImageData:
    """Images and labels to train and to test with.

    Args:
        name: What it is, in words.
        x_train: uint8 (images, 28, 28, 1).
        y_train: uint8 (images,).
        x_test: uint8 (images, 28, 28, 1).
        y_test: uint8 (images,).

    Example:
        >>> data = fashion_mnist_small()
        >>> data.x_test.shape, CLASSES[data.y_test[0]]
        ((1000, 28, 28, 1), 'ankle boot')
    """

    name: str
    x_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]


def fashion_mnist_small() -> ImageData:
    """Return the subset that comes with tfprune: 5,000 training images and 1,000 test images, no download.

    Example:
        >>> fashion_mnist_small().x_train.shape
        (5000, 28, 28, 1)
    """
    with np.load(SMALL_FILE, allow_pickle=False) as arrays:
        return ImageData("Fashion-MNIST, a subset of 5,000 + 1,000 images", *(arrays[key] for key in arrays.files))


def fashion_mnist(data_dir: str | Path | None = None) -> ImageData:
    """Return all 60,000 + 10,000 images.

    Args:
        data_dir: Folder with the four idx.gz files. None looks where Debian's package `dataset-fashion-mnist` puts
            them, and else has Keras download them.

    Raises:
        InputError: If the folder lacks a file, a file is damaged, or the download fails.
    """
    folder = Path(data_dir) if data_dir is not None else DEBIAN_FOLDER
    if data_dir is None and not folder.is_dir():
        arrays = download()
    else:
        names = [
            f"{split}-{kind}"
            for split in ("train", "t10k")
            for kind in ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
        ]
        arrays = [read_idx(folder / name) for name in names]
    x_train, y_train, x_test, y_test = arrays
    return ImageData("Fashion-MNIST", x_train[..., None], y_train, x_test[..., None], y_test)


def download() -> list[NDArray[np.uint8]]:
    """Return the four arrays from Keras' cache or its download."""
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    except Exception as error:
        raise InputError(
            f"Fashion-MNIST could not be downloaded ({error}). Install Debian's package dataset-fashion-mnist, or give "
            "data_dir, a folder with its four idx.gz files."
        ) from error
    return [x_train, y_train, x_test, y_test]


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array in a gzip-compressed idx file of bytes."""
    try:
        content = gzip.decompress(path.read_bytes())
        kind, rank = content[2], content[3]
        shape = np.frombuffer(content, ">u4", count=rank, offset=4)
        if kind != 8:
            raise ValueError("it does not hold bytes")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise InputError(f"{path} is not a readable idx.gz file: {error}") from error
