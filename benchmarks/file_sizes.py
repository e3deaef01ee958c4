"""Bytes of what is stored and shipped: tfprune beside TFMOT, the same network at the same sparsities.

Both prune the same layers of `tfprune.models.small_cnn` for a few steps, strip, save, and convert as their
documentation says: as it is, with zeros left out (`EXPERIMENTAL_SPARSITY`, `sparse=True`), with 8-bit weights. tfprune
also removes filters until as many parameters are left. Sizes depend on how many zeros there are, not on what was
learned, so the images are random.

    python benchmarks/file_sizes.py
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json
from fashion_mnist_vs_tfmot import PRUNED, small_cnn
from libraries import LIBRARIES, Ramp, child_task, load, start

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SPARSITIES = (0.0, 0.5, 0.8, 0.9)
STORED = {"as it is": "plain", "zeros left out": "sparse", "8-bit weights": "dynamic"}


def packed(content: bytes) -> dict[str, int]:
    """Return the bytes of a file, and those of it in an app store's download."""
    return {"bytes": len(content), "gzip": len(gzip.compress(content, 9))}


def converted(model: Any, name: str, how: str, folder: Path) -> bytes:
    """Return a .tflite file, made as a library's documentation says."""
    if name == "tfprune":
        import tfprune

        path = folder / f"{how}.tflite"
        options: dict[str, dict[str, Any]] = {"plain": {}, "sparse": {"sparse": True}, "dynamic": {"quantize": how}}
        tfprune.to_tflite(model, path, overwrite=True, **options[how])
        return path.read_bytes()
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    wanted = {"plain": [], "sparse": [tf.lite.Optimize.EXPERIMENTAL_SPARSITY], "dynamic": [tf.lite.Optimize.DEFAULT]}
    converter.optimizations = wanted[how]
    return bytes(converter.convert())


def child(name: str, result_file: Path) -> None:
    """Measure one library."""
    import numpy as np

    library, rows = load(name), []
    keras = library.keras
    x = np.random.default_rng(0).uniform(0, 255, (512, 28, 28, 1)).astype("float32")
    y = np.arange(len(x)) % 10
    for sparsity in SPARSITIES:
        keras.utils.set_random_seed(0)
        model, callbacks = small_cnn(keras), []
        whole = model.count_params()
        if sparsity:
            model, callbacks = library.prune(model, PRUNED, Ramp(sparsity, sparsity, 1, 1))
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
        model.fit(x, y, batch_size=64, epochs=1, verbose=0, callbacks=callbacks)
        model = library.strip(model) if sparsity else model
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            for title, how in STORED.items():
                if how == "sparse" and not sparsity:
                    continue
                row = {"sparsity": sparsity, "stored": title, "parameters": whole}
                rows.append({**row, **packed(converted(model, name, how, place))})
            if name == "tfprune" and sparsity:
                import tfprune

                left = 1 - sparsity * sum(model.get_layer(one).kernel.shape.num_elements() for one in PRUNED) / whole
                small = tfprune.prune_filters(model, tfprune.Budget(params=left), data=x[:256], verbose=0)
                row = {"sparsity": sparsity, "stored": "filters gone", **packed(converted(small, name, "plain", place))}
                rows.append(row)
    result_file.write_text(json.dumps(rows), encoding="utf-8")


def main() -> None:
    arguments = make_parser(__doc__).parse_args()
    results = {library: start(__file__, library, {}) for library in LIBRARIES}
    path = destination(arguments, "file_sizes")
    content = {"environment": environment(), "results": results}
    write_json(path, content)
    lines = []
    for sparsity in SPARSITIES:
        for title in (*STORED, "filters gone"):
            cells = []
            for library in LIBRARIES:
                own = [row for row in results[library] if (row["sparsity"], row["stored"]) == (sparsity, title)]
                cells += [f"{own[0]['bytes']:,}", f"{own[0]['gzip']:,}"] if own else ["", ""]
            if any(cells):
                lines.append([f"{sparsity:.0%}", title, *cells])
    headers = ["zeros in three layers", "stored", *(f"{name}: {what}" for name in ("tfprune", "TFMOT")
                                                    for what in ("bytes", "gzip"))]  # fmt: skip
    report(path, content, markdown(headers, lines))


if __name__ == "__main__":
    if (given := child_task()) is not None:
        child(given[0], given[2])
    else:
        main()
