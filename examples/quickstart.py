# %% [markdown]
# # Prune a network while it trains
#
# An unmodified Keras model, one callback, then a .tflite file, timed. The images come along.

# %%
import os
from pathlib import Path

import tfprune
from tfprune import PruneCallback

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS = 2 if QUICK else 6

data = tfprune.datasets.fashion_mnist_small()
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

# %% [markdown]
# ## The one line that prunes
#
# 80 % of the weights, on a polynomial-decay schedule; nothing else of the model or of `fit` is different.

# %%
model.fit(
    data.x_train,
    data.y_train,
    batch_size=64,
    epochs=EPOCHS,
    validation_data=(data.x_test, data.y_test),
    callbacks=[PruneCallback()],
    verbose=2,
)

# %% [markdown]
# ## What it did

# %%
tfprune.summary(model)

# %% [markdown]
# ## To the device
#
# Zeros make a file smaller when they are left out of it, or when it is compressed; the interpreter says how fast it is.

# %%
folder = Path(os.environ.get("TFPRUNE_OUT", "."))
plain, sparse = folder / "plain.tflite", folder / "sparse.tflite"
print(tfprune.to_tflite(model, plain, parity_data=data.x_test[:100], overwrite=True))
print(tfprune.to_tflite(model, sparse, sparse=True, parity_data=data.x_test[:100], overwrite=True))
print(tfprune.benchmark.run([plain, sparse]))
