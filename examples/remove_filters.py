# %% [markdown]
# # Whole filters, really removed
#
# Half of the multiply-accumulates of a trained network: at once, or while it trains. A smaller, plain Keras model comes
# out.

# %%
import os
from pathlib import Path

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

# %% [markdown]
# ## What belongs together, and what has to stay

# %%
print(tfprune.graph.trace(model))

# %% [markdown]
# ## At once
#
# Without data the accuracy falls, and fine-tuning brings most of it back.

# %%
small = tfprune.prune_filters(model, Budget(macs=0.5), round_to=8)
print(f"half of it, at once: {small.evaluate(*test, verbose=0)[1]:.1%}")
small.fit(*train, batch_size=64, epochs=max(1, EPOCHS // 3), verbose=2)
print(f"after training on: {small.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## While it trains
#
# Filters fade out on a schedule, then `shrink` takes them out. The outputs stay the same.

# %%
pruning = PruneCallback(Budget(macs=0.5), granularity="filter")
model.fit(*train, batch_size=64, epochs=EPOCHS, verbose=2, callbacks=[pruning])
pruned = tfprune.shrink(model)
print(f"half of it, while training: {pruned.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## Is it faster?

# %%
folder = Path(os.environ.get("TFPRUNE_OUT", "."))
original, half = folder / "original.tflite", folder / "half.tflite"
tfprune.to_tflite(model, original, overwrite=True)
tfprune.to_tflite(pruned, half, overwrite=True)
print(tfprune.benchmark.run([original, half]))
