# %% [markdown]
# # A subclassed model
#
# Models with a `call` of their own are traced through it: Keras layers, `keras.ops`, loops and shared layers are
# followed. What comes out is a plain functional model, which loads where neither your class nor tfprune is known.

# %%
import os
import subprocess
import sys

import keras

import tfprune
from tfprune import Budget, PruneCallback

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS, IMAGES = (1, 256) if QUICK else (6, 5000)

keras.utils.set_random_seed(0)
data = tfprune.datasets.fashion_mnist_small()
x, y = data.x_train[:IMAGES], data.y_train[:IMAGES]


# %%
class Residual(keras.layers.Layer):
    """Two convolutions around a shortcut, with a gate that looks at the whole image."""

    def __init__(self, filters, **options):
        super().__init__(**options)
        self.first = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")
        self.second = keras.layers.Conv2D(filters, 3, padding="same")
        self.gate = keras.layers.Dense(filters, activation="sigmoid")

    def call(self, tensor):
        added = self.second(self.first(tensor))
        gate = self.gate(keras.ops.mean(added, axis=(1, 2)))
        return keras.ops.relu(tensor + added * gate[:, None, None, :])


class Network(keras.Model):
    """A stem, three blocks and a head."""

    def __init__(self):
        super().__init__()
        self.scale = keras.layers.Rescaling(1 / 127.5, offset=-1)
        self.stem = keras.layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")
        self.blocks = [Residual(32) for _ in range(3)]
        self.pool = keras.layers.GlobalAveragePooling2D()
        self.head = keras.layers.Dense(10, activation="softmax")

    def call(self, images):
        tensor = self.stem(self.scale(images))
        for block in self.blocks:
            tensor = block(tensor)
        return self.head(self.pool(tensor))


model = Network()
model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=2)

# %% [markdown]
# ## What tfprune sees

# %%
print(tfprune.graph.trace(model))

# %% [markdown]
# ## Filters that go while it trains on

# %%
model.fit(
    x, y, batch_size=64, epochs=max(1, EPOCHS // 2), verbose=2,
    callbacks=[PruneCallback(Budget(macs=0.4), granularity="filter", verbose=0)],
)  # fmt: skip
small = tfprune.shrink(model)
print(type(small).__name__, f"with {small.count_params():,} of {model.count_params():,} parameters")
for network in (model, small):
    print(f"{network.evaluate(data.x_test, data.y_test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## It loads anywhere

# %%
folder = os.environ.get("TFPRUNE_OUT", ".")
small.save(f"{folder}/small.keras")
code = "import keras, sys; print(keras.models.load_model(sys.argv[1]).count_params(), 'tfprune' in sys.modules)"
done = subprocess.run([sys.executable, "-c", code, f"{folder}/small.keras"], capture_output=True, text=True, check=True)
print(done.stdout)
