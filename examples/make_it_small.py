# %% [markdown]
# # Make it small
#
# Fewer numbers, fewer bits, and zeros that a download does not carry: what each is worth, for one trained network.

# %%
import os
from pathlib import Path

import numpy as np

import tfprune
from tfprune import Budget, PruneCallback

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS = 2 if QUICK else 6

data = tfprune.datasets.fashion_mnist_small()
train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, batch_size=64, epochs=EPOCHS, verbose=2)
print(f"original: {model.evaluate(*test, verbose=0)[1]:.1%}")

folder = Path(os.environ.get("TFPRUNE_OUT", "."))
images = data.x_train[:1024].astype("float32")


def told(name, network, **options):
    """Convert a network; say how large the file is, and what the interpreter makes of the test images."""
    result = tfprune.to_tflite(network, folder / f"{name}.tflite", overwrite=True, **options)
    (scores,) = tfprune.benchmark.predict(result.path, data.x_test.astype("float32"))
    right = np.mean(scores.argmax(axis=-1) == data.y_test)
    print(f"{name:12} {result.bytes / 1000:6.1f} kB, {result.gzip_bytes / 1000:6.1f} after gzip, {right:.1%}")


told("original", model)

# %% [markdown]
# ## Fewer numbers: half of the parameters, no labels, no training

# %%
small = tfprune.prune_filters(model, Budget(params=0.5), data=images, verbose=0)
told("half", small)

# %% [markdown]
# ## A quarter of the bits
#
# Scales are calibrated on the same images.

# %%
told("half, int8", small, quantize="int8", representative_data=images[:200])

# %% [markdown]
# ## Zeros
#
# Training on with `PruneCallback` makes four weights of five zero. The file leaves them out; or it stays as it is, and
# a compressed download does.

# %%
small.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
small.fit(*train, batch_size=64, epochs=EPOCHS, verbose=2, callbacks=[PruneCallback(0.8)])
told("with zeros", small)
told("left out", small, sparse=True)
told("zeros, int8", small, quantize="int8", representative_data=images[:200])
