# %% [markdown]
# # Text: a smaller transformer
#
# A BERT-like encoder says which package of Python's standard library a line of code is from. The lines are those of the
# Python that runs this, so nothing is downloaded. Whole heads, parts of heads and widths of feed-forward layers go.

# %%
import os
import re
import sysconfig
from pathlib import Path

import keras
import numpy as np

import tfprune
from tfprune import Budget

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS, LINES, LENGTH, WORDS, WIDTH = (1, 40, 16, 200, 32) if QUICK else (8, 1500, 24, 4000, 64)
PACKAGES = ("asyncio", "email", "http", "json", "logging", "unittest", "xml", "ctypes")

keras.utils.set_random_seed(0)
library = Path(sysconfig.get_paths()["stdlib"])
texts, labels = [], []
for label, package in enumerate(PACKAGES):
    lines = {
        line.strip()
        for path in sorted((library / package).rglob("*.py"))
        for line in path.read_text(encoding="utf-8", errors="ignore").splitlines()
        if len(line.split()) > 3
    }
    chosen = np.random.default_rng(label).permutation(sorted(lines))[:LINES]
    texts += [" ".join(re.findall(r"[A-Za-z]+|\S", line)) for line in chosen]
    labels += [label] * len(chosen)
words = keras.layers.TextVectorization(WORDS, output_sequence_length=LENGTH, standardize=None)
words.adapt(texts)
order = np.random.default_rng(0).permutation(len(texts))
tokens, labels = np.asarray(words(texts))[order].astype("int32"), np.array(labels)[order]
cut = len(order) * 4 // 5
x, y, x_test, y_test = tokens[:cut], labels[:cut], tokens[cut:], labels[cut:]


# %%
inputs = keras.Input((LENGTH,), dtype="int32")
places = keras.ops.cumsum(keras.ops.ones_like(inputs), axis=1) - 1
tensor = keras.layers.Embedding(WORDS, WIDTH, name="words")(inputs)
tensor = tensor + keras.layers.Embedding(LENGTH, WIDTH, name="places")(places)
for number in range(2):
    attended = keras.layers.MultiHeadAttention(4, WIDTH // 4, name=f"attention_{number}")(tensor, tensor)
    tensor = keras.layers.LayerNormalization()(tensor + attended)
    wide = keras.layers.Dense(4 * WIDTH, activation="gelu", name=f"wide_{number}")(tensor)
    narrow = keras.layers.Dense(WIDTH, name=f"narrow_{number}")(wide)
    tensor = keras.layers.LayerNormalization()(tensor + keras.layers.Dropout(0.2)(narrow))
pooled = keras.layers.GlobalAveragePooling1D()(tensor)
outputs = keras.layers.Dense(len(PACKAGES), activation="softmax", name="package")(pooled)
model = keras.Model(inputs, outputs, name="bert")
model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=2)

# %% [markdown]
# ## What can go

# %%
print(tfprune.graph.trace(model))

# %% [markdown]
# ## Half of the multiply-accumulates, without labels; then with them

# %%
plan = tfprune.plan_filters(model, Budget(macs=0.5), data=x[:1024])
print(plan)
small = plan.repair().model
before, after = (network.evaluate(x_test, y_test, verbose=0)[1] for network in (model, small))
print(f"original {before:.1%}, half {after:.1%}")

distiller = tfprune.Distiller(small, model)
distiller.compile(keras.optimizers.Adam(3e-4), "sparse_categorical_crossentropy")
distiller.fit(x, y, batch_size=64, epochs=max(1, EPOCHS // 4), verbose=2)
print(f"taught by the original: {small.evaluate(x_test, y_test, verbose=0)[1]:.1%}")
