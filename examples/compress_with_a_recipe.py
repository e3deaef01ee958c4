# %% [markdown]
# # Compress by a programme
#
# Factors, a teacher, gates, 8-bit files: stages with a floor under the accuracy, in a folder where a second call goes
# on.

# %%
import os
from pathlib import Path

import tfprune
from tfprune.recipe import Recipe

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS = 2 if QUICK else 6

data = tfprune.datasets.fashion_mnist_small()
train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, batch_size=64, epochs=EPOCHS, verbose=2)
print(f"whole network: {model.evaluate(*test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## The programme
#
# The same in Python and in one level of YAML; an unknown word in it is refused before anything is trained.

# %%
recipe = Recipe.from_yaml(f"""
version: 1
name: two thirds
floor: {0.5 if QUICK else 0.98}
batch_size: 64
stages:
- {{method: factorize, budget: macs=0.66}}
- {{method: distil, epochs: {1 if QUICK else 2}}}
- {{method: gate, granularity: filter, budget: params=0.8, epochs: {1 if QUICK else 4}, distil: dist}}
- {{method: shrink}}
- {{method: distil, epochs: {1 if QUICK else 2}}}
- {{method: export, precision: [float32, int8]}}
""")
folder = Path(os.environ.get("TFPRUNE_OUT", ".")) / "two_thirds"
result = tfprune.compress(model, train, test, recipe, folder)
print((result.folder / "card.md").read_text())

# %% [markdown]
# ## Or the stages that train in one `fit`
#
# Slowly by magnitude, then by what the loss says, with the last epoch to recover.

# %%
stages = [
    {"method": "prune", "amount": 0.6, "epochs": 2},
    {"method": "prune", "amount": 0.85, "criterion": "taylor", "epochs": 2},
    {"method": "fine_tune", "epochs": 1},
]
history = model.fit(*train, batch_size=64, epochs=5, verbose=2, callbacks=Recipe(stages).callbacks(train)).history
print(f"{history['sparsity'][-1]:.0%} zeros: {model.evaluate(*test, verbose=0)[1]:.1%}")
