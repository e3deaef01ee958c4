# %% [markdown]
# # Audio: a network for a microcontroller
#
# A depthwise-separable network tells sounds apart by their spectrograms, is made to fit 20 kB of RAM and 20 kB of
# flash, and comes out as int8 with C++. The sounds are synthesised, half a second each, in noise: they stand in for
# your recordings, and say nothing of speech.

# %%
import os

import keras
import numpy as np

import tfprune
from tfprune import Budget

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS, EACH = (2, 24) if QUICK else (15, 400)
RATE, SAMPLES = 8000, 4000
KINDS = ("rising", "falling", "steady", "two tones", "clicks", "trill", "noise", "nothing")

keras.utils.set_random_seed(0)


def sound(kind, rng):
    """Return a sound of a kind, with pitch, beginning, loudness and noise by chance."""
    time = np.arange(SAMPLES) / RATE
    low, high = sorted(rng.uniform(300, 2500, 2))
    envelope = np.exp(-(((time - rng.uniform(0.15, 0.35)) / 0.12) ** 2))
    frequency = {
        "rising": low + (high - low) * time * 2,
        "falling": high - (high - low) * time * 2,
        "steady": np.full(SAMPLES, low),
        "trill": low + 150 * np.sin(2 * np.pi * 12 * time),
    }.get(kind)
    if frequency is not None:
        wave = np.sin(2 * np.pi * np.cumsum(frequency) / RATE)
    elif kind == "two tones":
        wave = np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * (high + 300) * time)
    elif kind == "clicks":
        wave = 4.0 * (rng.random(SAMPLES) < 0.004)
    else:
        wave = rng.normal(size=SAMPLES) if kind == "noise" else np.zeros(SAMPLES)
    return wave * envelope * rng.uniform(0.3, 1.0) + rng.normal(0, 0.15, SAMPLES)


def spectrograms(each, seed):
    """Return logarithmic spectrograms of 32 moments × 32 bands, and their kinds."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(KINDS)), each)
    waves = np.stack([sound(KINDS[kind], rng) for kind in kinds])
    frames = np.lib.stride_tricks.sliding_window_view(waves, 256, axis=1)[:, :: (SAMPLES - 256) // 31][:, :32]
    power = np.abs(np.fft.rfft(frames * np.hanning(256), axis=-1))[..., 1:129] ** 2
    bands = power.reshape(*power.shape[:2], 32, 4).mean(-1)
    return np.log(bands + 1e-3)[..., None].astype("float32"), kinds


x, y = spectrograms(EACH, 0)
x_test, y_test = spectrograms(max(8, EACH // 4), 1)

# %%
inputs = keras.Input((32, 32, 1), name="spectrogram")
tensor = keras.layers.Conv2D(48, (5, 5), strides=2, padding="same", use_bias=False)(inputs)
tensor = keras.layers.ReLU()(keras.layers.BatchNormalization()(tensor))
for _ in range(3):
    tensor = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(tensor)
    tensor = keras.layers.ReLU()(keras.layers.BatchNormalization()(tensor))
    tensor = keras.layers.Conv2D(48, 1, use_bias=False)(tensor)
    tensor = keras.layers.ReLU()(keras.layers.BatchNormalization()(tensor))
pooled = keras.layers.GlobalAveragePooling2D()(tensor)
outputs = keras.layers.Dense(len(KINDS), activation="softmax")(pooled)
model = keras.Model(inputs, outputs, name="sounds")
model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=2)
print(f"original: {model.evaluate(x_test, y_test, verbose=0)[1]:.1%}")

# %% [markdown]
# ## Fit it to the device
#
# Every size on the way is converted to int8 and really run by TensorFlow Lite Micro, which says what memory it takes.
# No labels, no training.

# %%
fitted = tfprune.micro.fit_device(model, Budget(flash="20kB", ram="20kB"), data=x[:: max(1, len(x) // 512)])
folder = os.environ.get("TFPRUNE_OUT", ".")
fitted.save(f"{folder}/sounds.tflite", overwrite=True)
print(tfprune.micro.measure(f"{folder}/sounds.tflite"))
(scores,) = tfprune.benchmark.predict(f"{folder}/sounds.tflite", x_test)
print(f"int8, as on the device: {np.mean(scores.argmax(-1) == y_test):.1%}")

# %% [markdown]
# ## C++ for the firmware

# %%
tfprune.export.to_c_array(f"{folder}/sounds.tflite", f"{folder}/sounds.h", overwrite=True)
with open(f"{folder}/sounds.h", encoding="utf-8") as file:
    print(file.read()[:1500])
