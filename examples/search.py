# %% [markdown]
# # Search for a plan
#
# How many channels each group keeps, what form each layer has, how weights are stored: found jointly, judged by
# measured error and latency.

# %%
import os

import matplotlib.pyplot as plt
import rich

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
# ## One network: half of the latency
#
# A strategy explores plans by an estimate; the best climb a ladder, where they are made, refitted and timed.

# %%
images = data.x_train[:1024]
trials, cost = (60, "macs") if QUICK else (1000, "latency")
found = tfprune.search.run(model, images, Budget(**{cost: 0.5}), trials=trials, verbose=0)
print({name: round(value, 4) for name, value in found.best.metrics.items()})
print(f"half of the {cost}: {found.model.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## What it decided

# %%
print(found.plan)

# %% [markdown]
# ## A front: error against latency

# %%
front = tfprune.search.run(
    model, images, objectives=("error", cost), strategy="nsga2", trials=trials, climb=(3,) if QUICK else (8,),
    rungs=("estimate", "refit"), verbose=0,
)  # fmt: skip
rich.print(front.table())
points = sorted((one.metrics[cost], one.metrics["error"]) for one in front.front)
plt.plot(*zip(*points, strict=True), marker="o")
plt.xlabel(f"{cost} left")
plt.ylabel("error of the outputs")
plt.show()
