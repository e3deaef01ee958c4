# %% [markdown]
# # Segmentation: a smaller U-Net
#
# A U-Net has long shortcuts that are concatenated: a filter of the way down is an input of the way up. tfprune follows
# them. The scenes are made of Fashion-MNIST images, put on a noisy ground; each pixel belongs to the ground or to one
# of three kinds of things. They stand in for your own, and say nothing of real photographs.

# %%
import os

import keras
import numpy as np

import tfprune
from tfprune import Budget

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS, SCENES = (1, 64) if QUICK else (10, 1500)
KINDS = {0: 1, 2: 1, 4: 1, 6: 1, 3: 1, 1: 2, 5: 3, 7: 3, 9: 3, 8: 0}  # tops, trousers, shoes; bags are ground

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
data = tfprune.datasets.fashion_mnist_small()


def scenes(images, labels, count):
    """Return scenes of 64 × 64 with three things each, and the kind of each pixel."""
    x = rng.normal(90, 30, (count, 64, 64)).clip(0, 255)
    y = np.zeros((count, 64, 64), "int32")
    for scene, mask in zip(x, y, strict=True):
        for number in rng.integers(0, len(images), 3):
            top, left = rng.integers(0, 36, 2)
            thing = images[number, :, :, 0] > 30
            scene[top : top + 28, left : left + 28][thing] = images[number, :, :, 0][thing]
            mask[top : top + 28, left : left + 28][thing] = KINDS[int(labels[number])]
    return x[..., None].astype("float32"), y


x, y = scenes(data.x_train, data.y_train, SCENES)
x_test, y_test = scenes(data.x_test, data.y_test, 64 if QUICK else 300)


# %%
def block(tensor, filters, name):
    """Return two convolutions with batch normalisation."""
    for number in (1, 2):
        tensor = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_{number}")(tensor)
        tensor = keras.layers.ReLU()(keras.layers.BatchNormalization()(tensor))
    return tensor


inputs = keras.Input((64, 64, 1))
tensor, shortcuts = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs), []
for depth, filters in enumerate((16, 32, 64)):
    shortcuts.append(block(tensor, filters, f"down_{depth}"))
    tensor = keras.layers.MaxPooling2D()(shortcuts[-1])
tensor = block(tensor, 96, "bottom")
for depth, filters in reversed(list(enumerate((16, 32, 64)))):
    tensor = keras.layers.Conv2DTranspose(filters, 2, strides=2, name=f"grow_{depth}")(tensor)
    tensor = block(keras.layers.Concatenate()([tensor, shortcuts[depth]]), filters, f"up_{depth}")
model = keras.Model(inputs, keras.layers.Conv2D(4, 1, activation="softmax", name="kinds")(tensor), name="unet")
overlap = keras.metrics.MeanIoU(4, sparse_y_pred=False, name="overlap")
model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=[overlap])
model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=2)

# %% [markdown]
# ## A third of the work, without labels

# %%
plan = tfprune.plan_filters(model, Budget(macs=0.33), data=x[:256], round_to=4)
print(plan)
small = plan.repair().model
for network in (model, small):
    loss, score = network.evaluate(x_test, y_test, verbose=0)
    print(f"{network.count_params():9,} parameters: mean intersection over union {score:.3f}")

# %% [markdown]
# ## As a file

# %%
folder = os.environ.get("TFPRUNE_OUT", ".")
for name, network in (("unet", model), ("unet_small", small)):
    result = tfprune.to_tflite(network, f"{folder}/{name}.tflite", overwrite=True)
    print(f"{name}: {result.bytes:,} bytes")
print(tfprune.benchmark.run([f"{folder}/unet.tflite", f"{folder}/unet_small.tflite"], threads=1))
