# %% [markdown]
# # A training loop of your own
#
# The engine without the callback: `Pruner` in a `tf.function`.

# %%
import os

import keras
import tensorflow as tf

import tfprune

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs
EPOCHS = 2 if QUICK else 4

data = tfprune.datasets.fashion_mnist_small()
dataset = tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train)).shuffle(5000, seed=0).batch(64)
keras.utils.set_random_seed(0)
model = tfprune.models.small_cnn()
optimizer = keras.optimizers.Adam()
loss_of = keras.losses.SparseCategoricalCrossentropy()

# %% [markdown]
# ## Start before the step is traced

# %%
pruner = tfprune.Pruner(model, 0.8, schedule="cosine")
pruner.start(total_steps=EPOCHS * len(dataset))


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_of(y, model(x, training=True))
    # Keras optimizers apply the masks right after the update. With another way to update, call pruner.apply().
    optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
    return loss


# %% [markdown]
# ## Say where you are

# %%
step = 0
for epoch in range(EPOCHS):
    for x, y in dataset:
        pruner.update(step)
        loss = train_step(tf.cast(x, tf.float32), y)
        step += 1
    print(f"epoch {epoch + 1}: loss {float(loss):.3f}, sparsity {pruner.sparsity:.1%}")

# %% [markdown]
# ## Finish

# %%
print(f"{pruner.finish():.1%} of the weights are zero")
model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
print(f"test accuracy {model.evaluate(data.x_test, data.y_test, verbose=0)[1]:.1%}")
