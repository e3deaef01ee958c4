# %% [markdown]
# # Transfer learning: half of a MobileNet
#
# A network of `keras.applications` gets a new head, is trained on a few thousand images, loses half of its work without
# labels, and then learns on with the original as its teacher. Runs without a download: `WEIGHTS = None` begins with
# random weights; with a network, `"imagenet"` is what you want.

# %%
import os

import keras
import rich

import tfprune
from tfprune import Budget

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
WEIGHTS = None  # or "imagenet"
EPOCHS, SIZE, IMAGES = (1, 32, 128) if QUICK else (12, 64, 5000)

keras.utils.set_random_seed(0)
data = tfprune.datasets.fashion_mnist_small()


def prepare(images):
    """Return images of the size and with the three channels that the network wants."""
    return keras.ops.convert_to_numpy(keras.ops.image.resize(images.repeat(3, axis=-1), (SIZE, SIZE))).astype("float32")


x, y = prepare(data.x_train[:IMAGES]), data.y_train[:IMAGES]
x_test, y_test = prepare(data.x_test), data.y_test

# %% [markdown]
# ## Train

# %%
inputs = keras.Input((SIZE, SIZE, 3))
scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
body = keras.applications.MobileNet(
    input_shape=(SIZE, SIZE, 3), alpha=0.25, include_top=False, weights=WEIGHTS, pooling="avg"
)
model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="head")(body(scaled)), name="original")
model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=2)

# %% [markdown]
# ## Remove half of the multiply-accumulates
#
# Images without labels, no training. The nested network is opened; what comes out is flat and plain.

# %%
plan = tfprune.plan_filters(model, Budget(macs=0.5), data=x[:512], round_to=8)
print(plan)
small = plan.repair().model
before, after = (network.evaluate(x_test, y_test, verbose=0)[1] for network in (model, small))
print(f"original {before:.1%}, half {after:.1%}")

# %% [markdown]
# ## Learn on, with the original as the teacher

# %%
distiller = tfprune.Distiller(small, model)
distiller.compile(keras.optimizers.Adam(5e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
distiller.fit(x, y, batch_size=64, epochs=max(1, EPOCHS // 3), verbose=2)

# %% [markdown]
# ## What it is worth
#
# Both as TFLite files, judged and timed by the interpreter, in turns.

# %%
comparison = tfprune.compare({"original": model, "half": small}, (x_test, y_test))
rich.print(comparison.table())
