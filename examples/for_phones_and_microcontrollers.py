# %% [markdown]
# # For phones and microcontrollers
#
# A MobileNet whose zeros a phone skips, and a network that fits a small microcontroller, each as a file with its card:
# `python examples/for_phones_and_microcontrollers.py --out tflite_models`.

# %%
import argparse
import os
from pathlib import Path

import keras
import numpy as np

import tfprune

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS, SIZE = (1, 32) if QUICK else (12, 64)
parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path, default=Path(os.environ.get("TFPRUNE_OUT", "devices")))
folder = parser.parse_known_args()[0].out  # a notebook has other arguments
folder.mkdir(parents=True, exist_ok=True)
data = tfprune.datasets.fashion_mnist_small()
keras.utils.set_random_seed(0)


def right(path: Path, images: np.ndarray) -> str:
    """Return for how many test images the interpreter's top class is right."""
    (scores,) = tfprune.benchmark.predict(path, images)
    return f"{np.mean(scores.argmax(axis=-1) == data.y_test):.1%} of {len(images):,} test images, by the interpreter"


# %% [markdown]
# ## A phone
#
# Single weights of the 1 × 1 convolutions go, 85 % of them, as its runtime skips these; `lint` says whether it will.


# %%
def large(images: np.ndarray) -> np.ndarray:
    """Return images of the size and with the three channels that the network wants."""
    return np.asarray(keras.ops.image.resize(images.repeat(3, axis=-1), (SIZE, SIZE)), "float32")


pictures, tests = large(data.x_train), large(data.x_test)
inputs = keras.Input((SIZE, SIZE, 3), name="image")
x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
mobilenet = keras.Model(inputs, tfprune.models.mobilenet_v1((SIZE, SIZE, 3), 10, alpha=0.5)(x), name="mobilenet")
mobilenet.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
mobilenet.fit(pictures, data.y_train, batch_size=64, epochs=EPOCHS, verbose=2)
dense = mobilenet.evaluate(tests, data.y_test, verbose=0)[1]
pruning = tfprune.PruneCallback(0.85, target="android-cpu")
mobilenet.optimizer.learning_rate = 1e-3
mobilenet.fit(pictures, data.y_train, batch_size=64, epochs=EPOCHS, verbose=2, callbacks=[pruning])
path = folder / "mobilenet_sparse.tflite"
result = tfprune.to_tflite(mobilenet, path, sparse=True, target="android-cpu", parity_data=tests[:100], overwrite=True)
report = tfprune.lint(path)
print(result, report, sep="\n")
result.save_card(overwrite=True, extra={
    "Trained": f"mobilenet_v1 of half width on {data.name}, enlarged to {SIZE} × {SIZE}; {EPOCHS} epochs dense, "
    f"{EPOCHS} with PruneCallback(0.85, target='android-cpu')",
    "Accuracy": f"{right(path, tests)}; {dense:.1%} before it was pruned",
    "Skipped": report.verdict,
    "Made by": "python examples/for_phones_and_microcontrollers.py",
})  # fmt: skip

# %% [markdown]
# ## A microcontroller
#
# Filters go until file and memory fit, then it is trained on, then whole numbers only.

# %%
small = tfprune.models.small_cnn(widths=(8, 16, 32))
small.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
small.fit(data.x_train, data.y_train, batch_size=64, epochs=EPOCHS, verbose=2)
dense = small.evaluate(data.x_test, data.y_test, verbose=0)[1]
budget = tfprune.Budget(flash="24kB", ram="10kB")
fitted = tfprune.micro.fit_device(small, budget, data=data.x_train[:1000])
small = fitted.model
small.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
small.fit(data.x_train, data.y_train, batch_size=64, epochs=EPOCHS, verbose=2)
path = folder / "micro_int8.tflite"
result = tfprune.to_tflite(
    small, path, quantize="int8", io_dtype="int8", representative_data=data.x_train[:200].astype("float32"),
    target="microcontroller", overwrite=True,
)  # fmt: skip
needs = tfprune.micro.measure(path)
print(result, needs, sep="\n")
result.save_card(overwrite=True, extra={
    "Trained": f"small_cnn of 8, 16 and 32 filters on {data.name}, {EPOCHS} epochs, fitted into 24 kB of "
    f"flash and 10 kB of RAM, {EPOCHS} more",
    "Accuracy": f"{right(path, data.x_test.astype('float32'))}; {dense:.1%} before filters went, in float",
    "Needs": f"{needs.flash_bytes:,} bytes of flash, {needs.arena_bytes:,} bytes of arena, by TensorFlow Lite Micro",
    "Made by": "python examples/for_phones_and_microcontrollers.py",
})  # fmt: skip
print(tfprune.export.to_c_array(path, folder / "micro_int8.h", name="micro_int8", overwrite=True))
