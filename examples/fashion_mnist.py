"""Prune on the whole of Fashion-MNIST with a schedule, a pattern and a scope of your choice, then export to int8.

    python examples/fashion_mnist.py --sparsity 0.9 --epochs 6
    python examples/fashion_mnist.py --granularity 1x4 --out block.tflite

The images come from Debian's package `dataset-fashion-mnist`, from --data-dir, or from Keras' download.
"""

import argparse

import keras

import tfprune
from tfprune import PruneCallback, TFLiteExportCallback
from tfprune.schedules import PolynomialDecay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--granularity", default="weight", help="weight, 2:4, or a block such as 1x4")
    parser.add_argument("--scope", default="global", help="layer or global")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--images", type=int, default=60_000, help="train on so many images")
    parser.add_argument("--data-dir", help="folder with the four idx.gz files")
    parser.add_argument("--out", default="fashion_mnist_int8.tflite")
    parser.add_argument("--overwrite", action="store_true")
    options = parser.parse_args()

    data = tfprune.datasets.fashion_mnist(options.data_dir)
    x, y = data.x_train[: options.images], data.y_train[: options.images]
    block = options.granularity.split("x")
    granularity = tuple(map(int, block)) if len(block) == 2 else options.granularity

    keras.utils.set_random_seed(0)
    model = tfprune.models.small_cnn()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    prune = PruneCallback(
        # From 30 % to the target over the second and third quarter of training; the last quarter recovers.
        schedule=PolynomialDecay(0.3, options.sparsity, begin=0.25, end=0.75),
        granularity=granularity,
        scope=options.scope,
    )
    export = TFLiteExportCallback(
        options.out, quantize="int8", representative_data=x[:200], overwrite=options.overwrite
    )
    # The best epoch is kept; PruneCallback sees to it that only epochs with the final sparsity compete.
    best = keras.callbacks.EarlyStopping("val_accuracy", patience=options.epochs, restore_best_weights=True)
    test = (data.x_test, data.y_test)
    model.fit(x, y, 128, options.epochs, 2, [prune, best, export], validation_data=test)
    print(export.result)


if __name__ == "__main__":
    main()
