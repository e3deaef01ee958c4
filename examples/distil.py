# %% [markdown]
# # Learn from what the network was before
#
# A quarter of a network, refitted without labels, then taught by the original: with labels, and without any.

# %%
import os

import keras

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
# ## The student
#
# What is left after three quarters of the multiply-accumulates have gone.

# %%
small = tfprune.prune_filters(model, Budget(macs=0.25), data=data.x_train[:1024], verbose=0)
refitted = small.get_weights()
print(f"a quarter, refitted: {small.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## With labels
#
# `Distiller` has plain `compile` and `fit`; metrics are the student's.

# %%
distiller = tfprune.Distiller(small, model, "kd")
distiller.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
distiller.fit(*train, batch_size=64, epochs=EPOCHS, verbose=2)
print(f"taught, with labels: {small.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## Without labels
#
# Without a loss of its own, the student learns from the teacher's answers alone.

# %%
small.set_weights(refitted)
distiller = tfprune.Distiller(small, model, "kd")
distiller.compile(keras.optimizers.Adam(1e-3))
distiller.fit(data.x_train, batch_size=64, epochs=EPOCHS, verbose=2)
small.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
print(f"taught, without labels: {small.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## Where is it furthest from its teacher?

# %%
print(tfprune.compare_layers(model, small, data.x_test[:256]))
