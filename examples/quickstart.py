"""Prune a network while it trains, convert it to TFLite, and time it. Needs no download; about a minute on two cores.

python examples/quickstart.py
"""

import tempfile
from pathlib import Path

import tfprune
from tfprune import PruneCallback

data = tfprune.datasets.fashion_mnist_small()
model = tfprune.models.small_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

# The one line that prunes: 80 % of the weights, on a polynomial-decay schedule.
model.fit(
    data.x_train,
    data.y_train,
    batch_size=64,
    epochs=6,
    validation_data=(data.x_test, data.y_test),
    callbacks=[PruneCallback()],
    verbose=2,
)

tfprune.summary(model)

with tempfile.TemporaryDirectory() as folder:
    plain, sparse = Path(folder) / "plain.tflite", Path(folder) / "sparse.tflite"
    print(tfprune.to_tflite(model, plain, parity_data=data.x_test[:100]))
    print(tfprune.to_tflite(model, sparse, sparse=True, parity_data=data.x_test[:100]))
    print(tfprune.benchmark.run([plain, sparse]))
