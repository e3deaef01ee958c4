"""Halve the multiply-accumulates of a trained network with a few hundred images: no labels, no training.

python examples/without_labels.py
"""

import tfprune
from tfprune import Budget

data = tfprune.datasets.fashion_mnist_small()
train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, batch_size=64, epochs=6, verbose=2)
print(f"whole network: {model.evaluate(*test, verbose=0)[1]:.1%}")

# The channels go whose loss the others can make up for, and each layer then learns in closed form to do so.
images = data.x_train[:1024]
small = tfprune.prune_filters(model, Budget(macs=0.5), data=images, verbose=2)
print(f"half of it: {small.evaluate(*test, verbose=0)[1]:.1%}")

# The same in steps: look at the plan, and at what the refit did to each layer.
plan = tfprune.plan_filters(model, Budget(macs=0.25), data=images, round_to=4)
print({name: round(error, 4) for name, error in plan.predicted.items()})
result = plan.repair()
print(result)
print(f"a quarter of it: {result.model.evaluate(*test, verbose=0)[1]:.1%}")

# What a choice by the size of the weights alone would have left.
plain = tfprune.prune_filters(model, Budget(macs=0.25), round_to=4, verbose=0)
print(f"a quarter of it, by magnitude: {plain.evaluate(*test, verbose=0)[1]:.1%}")
