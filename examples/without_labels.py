# %% [markdown]
# # Half of a network, without labels and without training
#
# A few hundred images are enough: the channels go whose loss the others can make up for, and each layer then learns in
# closed form to do so.

# %%
import os

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
# ## Half of the multiply-accumulates

# %%
images = data.x_train[:1024]
small = tfprune.prune_filters(model, Budget(macs=0.5), data=images, verbose=2)
print(f"half of it: {small.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## The same in steps
#
# Look at the plan, and at what the refit did to each layer.

# %%
plan = tfprune.plan_filters(model, Budget(macs=0.25), data=images, round_to=4)
print({name: round(error, 4) for name, error in plan.predicted.items()})
result = plan.repair()
print(result)
print(f"a quarter of it: {result.model.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## What the size of the weights alone would have left

# %%
plain = tfprune.prune_filters(model, Budget(macs=0.25), round_to=4, verbose=0)
print(f"a quarter of it, by magnitude: {plain.evaluate(*test, verbose=0)[1]:.1%}")
