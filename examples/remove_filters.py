"""Remove half of the multiply-accumulates of a trained network, and compare it with the whole one. No download needed.

python examples/remove_filters.py
"""

import tempfile
from pathlib import Path

import tfprune
from tfprune import Budget, PruneCallback

data = tfprune.datasets.fashion_mnist_small()
train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, batch_size=64, epochs=6, verbose=2)
print(f"whole network: {model.evaluate(*test, verbose=0)[1]:.1%}")

# What belongs together, and what has to stay.
print(tfprune.graph.trace(model))

# At once, without training: the accuracy falls, and fine-tuning brings most of it back.
small = tfprune.prune_filters(model, Budget(macs=0.5), round_to=8)
print(f"half of it, at once: {small.evaluate(*test, verbose=0)[1]:.1%}")
small.fit(*train, batch_size=64, epochs=2, verbose=2)
print(f"after two epochs more: {small.evaluate(*test, verbose=0)[1]:.1%}")

# While it trains: filters fade out on a schedule, then shrink takes them out. The outputs stay the same.
model.fit(*train, batch_size=64, epochs=6, verbose=2, callbacks=[PruneCallback(Budget(macs=0.5), granularity="filter")])
pruned = tfprune.shrink(model)
print(f"half of it, while training: {pruned.evaluate(*test, verbose=0)[1]:.1%}")

with tempfile.TemporaryDirectory() as folder:
    whole, half = Path(folder) / "whole.tflite", Path(folder) / "half.tflite"
    tfprune.to_tflite(model, whole)
    tfprune.to_tflite(pruned, half)
    print(tfprune.benchmark.run([whole, half]))
