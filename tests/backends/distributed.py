"""Data-parallel training on JAX over several processes, through `keras.distribution`, with masks. Run in each process.

python tests/backends/distributed.py ADDRESS COUNT NUMBER
"""

from __future__ import annotations

import json
import sys

import keras
import numpy as np


def main() -> None:
    address, count, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if count > 1:
        keras.distribution.initialize(address, count, number)
    import tfprune

    if count > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(32, activation="relu"), layers.Dense(32, activation="relu", name="inner"),
         layers.Dense(3)]
    )  # fmt: skip
    model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 8)).astype("float32")
    y = np.argmax(x[:, :3], axis=1)
    # Each process gives its own half of every batch.
    each = 32 // count
    own = np.concatenate([np.arange(start, start + each) + number * each for start in range(0, 128, 32)])
    pruning = tfprune.PruneCallback(0.75, frequency=2, verbose=0)
    history = model.fit(x[own], y[own], batch_size=each, epochs=6, shuffle=False, verbose=0, callbacks=[pruning])
    kernel = np.asarray(keras.ops.convert_to_numpy(model.get_layer("inner").kernel))
    told = {
        "sparsity": float((kernel == 0).mean()), "sum": float(np.abs(kernel).sum()),
        "zeros": np.flatnonzero(kernel == 0).tolist(), "loss": history.history["loss"],
        "ourselves": pruning._apply_ourselves,
    }  # fmt: skip
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
