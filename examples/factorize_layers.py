"""Halve the latency of a trained network on this machine with a few hundred images: layers as chains of smaller ones.

python examples/factorize_layers.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import tfprune
from tfprune import Budget

data = tfprune.datasets.fashion_mnist_small()
train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, batch_size=64, epochs=6, verbose=2)
print(f"whole network: {model.evaluate(*test, verbose=0)[1]:.1%}")

# Each layer gets the form and rank that add least error for the time they save, as the interpreter measures it here.
images = data.x_train[:2048]
fast = tfprune.factorize(model, Budget(latency=0.5), data=images, verbose=2)
print(f"in half of the time, as predicted: {fast.evaluate(*test, verbose=0)[1]:.1%}")

# Is it true? Both, timed in turns.
with TemporaryDirectory() as folder:
    paths = [Path(folder) / name for name in ("whole.tflite", "fast.tflite")]
    for one, path in zip((model, fast), paths, strict=True):
        tfprune.to_tflite(one, path)
    print(tfprune.benchmark.run(paths, threads=1))

# Filters can go on top of that; what is left is refitted again.
both = tfprune.prune_filters(fast, Budget(macs=0.8), data=images, verbose=1)
print(f"and fewer filters: {both.evaluate(*test, verbose=0)[1]:.1%}")
