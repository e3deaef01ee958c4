# %% [markdown]
# # Understand what a compression did
#
# Which layer lost most, which parts matter, which class pays, where the network looks. A small network on images that
# come along; `python examples/understand.py --data-dir FOLDER` is about a ResNet-20, with
# `FOLDER/resnet20_cifar10.keras` and its images.

# %%
import argparse
import os
from pathlib import Path

import keras
import numpy as np

import tfprune
from tfprune import Budget

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS = 2 if QUICK else 6
parser = argparse.ArgumentParser()
parser.add_argument("--data-dir", type=Path, help="where the ResNet and images of CIFAR-10 are")
arguments, _ = parser.parse_known_args()  # a notebook has others

if arguments.data_dir is None:
    data = tfprune.datasets.fashion_mnist_small()
    images, x, y, names = data.x_train[:1024], data.x_test, data.y_test, tfprune.datasets.CLASSES
    dense = tfprune.models.small_cnn()
    dense.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    dense.fit(data.x_train, data.y_train, batch_size=64, epochs=EPOCHS, verbose=2)
else:
    with np.load(arguments.data_dir / "cifar10_lossless_subset.npz") as arrays:
        images, x = arrays["x_train"][:1024].astype("float32"), arrays["x_test"].astype("float32")
        y = arrays["y_test"].reshape(-1).astype("int32")
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    dense = keras.models.load_model(arguments.data_dir / "resnet20_cifar10.keras")
    dense.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
small = tfprune.prune_filters(dense, Budget(macs=0.5), data=images, verbose=0)

# %% [markdown]
# ## Side by side: accuracy with its uncertainty, size, cost and speed

# %%
print(tfprune.compare({"dense": dense, "half": small}, (x, y)))

# %% [markdown]
# ## Which layer computes something else now, and which one can bear it

# %%
print(tfprune.compare_layers(dense, small, x))
print(tfprune.error_injection(dense, (x, y)))

# %% [markdown]
# ## Which parts stand in for each other
#
# Together they matter more than the sum of both.

# %%
parts = "groups" if arguments.data_dir is None else "blocks"
print(tfprune.interactions(dense, (x, y), of=parts))

# %% [markdown]
# ## Who pays, and whether the network still looks at the same things

# %%
print(tfprune.class_changes(dense, small, (x, y), names=names))
print(tfprune.compare_attributions(dense, small, x))

# %% [markdown]
# ## What is left
#
# How near to N:M and block patterns, which filters are dead, the same as others, or read by nobody.

# %%
print(tfprune.sparsity_patterns(small, x))
