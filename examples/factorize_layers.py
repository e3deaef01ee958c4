# %% [markdown]
# # Half of the latency: layers as chains of smaller ones
#
# Multiply-accumulates are not time. Each layer gets the form and rank that add least error for the time they save, as
# the interpreter measures it on this machine. No labels, no training.

# %%
import os
from pathlib import Path

import tfprune
from tfprune import Budget

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS = 2 if QUICK else 6

data = tfprune.datasets.fashion_mnist_small()
train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, batch_size=64, epochs=EPOCHS, verbose=2)
print(f"original: {model.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## Half of the time, as predicted

# %%
images = data.x_train[:2048]
fast = tfprune.factorize(model, Budget(latency=0.5), data=images, verbose=2)
print(f"in half of the time, as predicted: {fast.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## Is it true?
#
# Both as files, timed in turns.

# %%
folder = Path(os.environ.get("TFPRUNE_OUT", "."))
paths = [folder / name for name in ("original.tflite", "fast.tflite")]
for one, path in zip((model, fast), paths, strict=True):
    tfprune.to_tflite(one, path, overwrite=True)
print(tfprune.benchmark.run(paths, threads=1))

# %% [markdown]
# ## Filters can go on top of that
#
# What is left is refitted again.

# %%
both = tfprune.prune_filters(fast, Budget(macs=0.8), data=images, verbose=1)
print(f"and fewer filters: {both.evaluate(*test, verbose=0)[1]:.1%}")
