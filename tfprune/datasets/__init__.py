"""Small real data for the demo, the examples and the tests."""

from tfprune.datasets.fashion_mnist import CLASSES, ImageData, fashion_mnist, fashion_mnist_small

__all__ = ["CLASSES", "ImageData", "fashion_mnist", "fashion_mnist_small"]
