"""Compress a trained network by a programme: factors, a teacher, 8-bit files, timed, with a floor under its accuracy.

python examples/compress_with_a_recipe.py
"""

from tempfile import TemporaryDirectory

import tfprune
from tfprune.recipe import Recipe

data = tfprune.datasets.fashion_mnist_small()
train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, batch_size=64, epochs=6, verbose=2)

# The same in Python and in one level of YAML; an unknown word in it is refused before anything is trained.
recipe = Recipe.from_yaml("""
version: 1
name: two thirds
floor: 0.98
batch_size: 64
stages:
- {method: factorize, budget: macs=0.66}
- {method: distil, epochs: 2}
- {method: gate, granularity: filter, budget: params=0.8, epochs: 4, distil: dist}
- {method: shrink}
- {method: distil, epochs: 2}
- {method: export, precision: [float32, int8]}
""")
with (
    TemporaryDirectory() as folder
):  # each stage's model, the files, metrics, log and card; a second call goes on there
    result = tfprune.compress(model, train, test, recipe, folder)
    print((result.folder / "card.md").read_text())

# Or the stages that train in one fit: slowly by magnitude, then by what the loss says, with the last epoch to recover.
stages = [
    {"method": "prune", "amount": 0.6, "epochs": 2},
    {"method": "prune", "amount": 0.85, "criterion": "taylor", "epochs": 2},
    {"method": "fine_tune", "epochs": 1},
]
history = model.fit(*train, batch_size=64, epochs=5, verbose=2, callbacks=Recipe(stages).callbacks(train)).history
print(f"{history['sparsity'][-1]:.0%} zeros: {model.evaluate(*test, verbose=0)[1]:.1%}")
