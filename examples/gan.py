# %% [markdown]
# # A GAN: prune the generator in a `train_step` of your own
#
# The discriminator only teaches and is thrown away: what goes to the device is the generator, so that is what is
# pruned. The loop is your own, with two optimizers; the callback needs nothing special.

# %%
import os

import keras
import numpy as np
import tensorflow as tf

import tfprune
from tfprune import PruneCallback

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS, IMAGES = (1, 256) if QUICK else (12, 5000)
SIZE = 32  # of what images are made from

keras.utils.set_random_seed(0)
data = tfprune.datasets.fashion_mnist_small()
x = (data.x_train[:IMAGES].astype("float32") - 127.5) / 127.5


# %%
class Gan(keras.Model):
    """Two networks that learn from each other."""

    def __init__(self):
        super().__init__()
        layers = keras.layers
        self.generator = keras.Sequential(
            [
                keras.Input((SIZE,)),
                layers.Dense(7 * 7 * 64, activation="relu", name="seed"),
                layers.Reshape((7, 7, 64)),
                layers.Conv2DTranspose(64, 4, strides=2, padding="same", activation="relu", name="grow_1"),
                layers.Conv2DTranspose(32, 4, strides=2, padding="same", activation="relu", name="grow_2"),
                layers.Conv2D(1, 3, padding="same", activation="tanh", name="image"),
            ],
            name="generator",
        )
        self.discriminator = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(32, 4, strides=2, padding="same"),
                layers.LeakyReLU(0.2),
                layers.Conv2D(64, 4, strides=2, padding="same"),
                layers.LeakyReLU(0.2),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(1),
            ],
            name="discriminator",
        )

    def compile(self):
        super().compile()
        self.artist, self.critic = keras.optimizers.Adam(2e-4, 0.5), keras.optimizers.Adam(2e-4, 0.5)
        self.artist.build(self.generator.trainable_variables)
        self.critic.build(self.discriminator.trainable_variables)

    def train_step(self, images):
        count = tf.shape(images)[0]
        cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        with tf.GradientTape(persistent=True) as tape:
            made = self.generator(tf.random.normal((count, SIZE)), training=True)
            real, fake = self.discriminator(images, training=True), self.discriminator(made, training=True)
            critic_loss = cross_entropy(tf.ones_like(real), real) + cross_entropy(tf.zeros_like(fake), fake)
            artist_loss = cross_entropy(tf.ones_like(fake), fake)
        variables = self.discriminator.trainable_variables
        self.critic.apply(tape.gradient(critic_loss, variables), variables)
        variables = self.generator.trainable_variables
        self.artist.apply(tape.gradient(artist_loss, variables), variables)
        return {"critic": critic_loss, "artist": artist_loss}


gan = Gan()
gan.compile()
callback = PruneCallback(0.7, layers=[gan.generator])  # the generator only
gan.fit(x, batch_size=64, epochs=EPOCHS, callbacks=[callback], verbose=2)

# %%
tfprune.summary(gan.generator)
made = gan.generator(np.random.default_rng(0).normal(size=(8, SIZE)).astype("float32"))
print("grey values of what it makes:", np.round(np.percentile(made, [5, 50, 95]), 2))

# %% [markdown]
# ## What goes to the device
#
# The zeros make the file smaller, not faster.

# %%
folder = os.environ.get("TFPRUNE_OUT", ".")
for name, options in (("dense", {}), ("sparse", {"sparse": True})):
    result = tfprune.to_tflite(gan.generator, f"{folder}/generator_{name}.tflite", overwrite=True, **options)
    print(f"{name}: {result.bytes:,} bytes")
