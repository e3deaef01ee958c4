"""VGG-16: most of the parameters removed, and what that costs in accuracy and saves in time.

A VGG-16 with batch normalisation is trained on CIFAR-10 (JPEG), first on images of 16 × 16, then of 32 × 32. From it
filters are removed step by step, to half of the parameters and on to 2 % of them, each time by the structured optimal
brain surgeon on images without labels, refitted, and trained for some epochs with the whole network as the teacher.
Each network becomes a float and an int8 file; accuracy is the interpreter's on 10,000 test images, latency is measured
beside the whole network's, taking turns. Networks are kept in `--work`; the same command continues where it stopped.

    python benchmarks/vgg16.py --data-dir <folder with cifar10_jpeg.npz> --work <folder for networks>
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import FOLDER, destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LEFT = (0.5, 0.2, 0.1, 0.05, 0.02)
"""Parameters that are left after each step."""
PHASES = ((16, 8, 0.1), (24, 3, 0.04), (32, 5, 0.02))
"""Height and width of the images, epochs, and the learning rate that these begin with; it ends at a tenth of that."""
EPOCHS = 4
"""Of training after each step."""
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


class Images:
    """CIFAR-10 (JPEG), decoded, or a few images of it."""

    def __init__(self, folder: Path, few: bool) -> None:
        import numpy as np
        from PIL import Image

        with np.load(folder / "cifar10_jpeg.npz") as packed:
            for split in ("train", "test"):
                data, offsets = packed[f"jpeg_{split}"].tobytes(), packed[f"offset_{split}"]
                spans = list(itertools.pairwise(offsets))[: 512 if few else None]
                images = [np.asarray(Image.open(io.BytesIO(data[a:b])).convert("RGB")) for a, b in spans]
                setattr(self, f"x_{split}", np.stack(images))
                setattr(self, f"y_{split}", packed[f"label_{split}"][: len(spans)].astype("int32"))

    def batches(self, size: int, seed: int) -> Any:
        """Return an epoch's batches of training images, shifted, mirrored, and made as small as wanted."""
        import tensorflow as tf

        def vary(x: Any, y: Any) -> Any:
            x = tf.image.random_flip_left_right(tf.pad(tf.cast(x, tf.float32), [(0, 0), (4, 4), (4, 4), (0, 0)]))
            x = tf.image.random_crop(x, (tf.shape(x)[0], 32, 32, 3))
            return (x if size == 32 else tf.image.resize(x, (size, size), method="area")), y

        data = tf.data.Dataset.from_tensor_slices((self.x_train, self.y_train))
        data = data.shuffle(len(self.x_train), seed=seed).batch(128, drop_remainder=True)
        return data.map(vary, num_parallel_calls=1).prefetch(2)


def build(size: int | None = None) -> Any:
    """Return VGG-16 for small images, by default of any size: 13 convolutions, each normalised, and a dense layer."""
    import keras

    x = inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 64, offset=-2)(x)
    for number, (filters, count) in enumerate(BLOCKS, 1):
        for place in range(1, count + 1):
            x = keras.layers.Conv2D(
                filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"conv{number}_{place}"
            )(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9, name=f"norm{number}_{place}")(x))
        x = keras.layers.MaxPooling2D()(x) if number < len(BLOCKS) else x
    x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(10, name="classes")(x), name="vgg16")


def train_dense(images: Images, work: Path, phases: Sequence[tuple[int, int, float]]) -> Any:
    """Return the whole network, trained; each epoch is kept, and not trained again."""
    import keras

    path, state = work / "dense.keras", work / "dense.json"
    keras.utils.set_random_seed(0)
    model = keras.models.load_model(path) if path.exists() else build()
    done = json.loads(state.read_text()) if state.exists() else {"epochs": 0, "seconds": 0.0}
    if not done["epochs"]:
        model.compile(
            keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    whole = [(size, rate * 0.1 ** (e / max(1, epochs - 1))) for size, epochs, rate in phases for e in range(epochs)]
    for number, (size, rate) in list(enumerate(whole))[done["epochs"] :]:
        begin = time.perf_counter()
        keras.utils.set_random_seed(number)
        model.optimizer.learning_rate = rate
        history = model.fit(images.batches(size, number), epochs=1, verbose=0, shuffle=False).history
        done |= {"epochs": number + 1, "seconds": done["seconds"] + time.perf_counter() - begin}
        model.save(path)
        state.write_text(json.dumps(done))
        print(f"epoch {number + 1} of {len(whole)}, {size} × {size}: {history['accuracy'][0]:.3f}", flush=True)
    return model


def shrink_further(model: Any, whole: Any, images: Images, left: float, epochs: int, seed: int) -> dict[str, Any]:
    """Return a smaller network, with its accuracy after the refit and after training."""
    import keras

    import tfprune
    from tfprune.cost import CostModel
    from tfprune.graph import trace

    begin = time.perf_counter()
    parameters = int(left * CostModel(trace(whole)).whole.parameters)
    plan = tfprune.plan_filters(
        model, tfprune.Budget(params=parameters), data=images.x_train[:2048], samples=2048, round_to=8, verbose=0
    )
    small = plan.repair().model
    planned = time.perf_counter() - begin
    refitted = accuracy(small, images)
    distiller = tfprune.Distiller(small, whole)
    steps = epochs * (len(images.x_train) // 128)
    rate = keras.optimizers.schedules.CosineDecay(0.01, steps)
    distiller.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=1e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for epoch in range(epochs):
        distiller.fit(images.batches(32, seed + epoch), epochs=1, verbose=0, shuffle=False)
    return {
        "model": small,
        "left": left,
        "refitted": refitted,
        "plan_seconds": planned,
        "train_seconds": time.perf_counter() - begin - planned,
    }


def accuracy(model: Any, images: Images) -> float:
    """Return the per cent of test images whose top class is right."""
    scores = model.predict(images.x_test.astype("float32"), batch_size=256, verbose=0)
    return float((scores.argmax(-1) == images.y_test).mean() * 100)


def measure(models: dict[str, Any], images: Images, work: Path, seconds: float) -> list[dict[str, Any]]:
    """Return cost, accuracy and latency of each network's float and int8 file; those files answer and are timed."""
    import tfprune
    from tfprune.cost import CostModel
    from tfprune.graph import trace

    rows, paths = [], []
    for name, model in models.items():
        cost = CostModel(trace(model)).whole
        for stored in (None, "int8"):
            path = work / f"{name}_{stored or 'float32'}.tflite"
            result = tfprune.to_tflite(
                model, path, quantize=stored, representative_data=images.x_train[:512].astype("float32"), overwrite=True
            )
            (scores,) = tfprune.benchmark.predict(str(path), images.x_test.astype("float32"))
            paths.append(str(path))
            rows.append(
                {
                    "network": name,
                    "stored": stored or "float32",
                    "parameters": cost.parameters,
                    "macs": cost.macs,
                    "bytes": result.bytes,
                    "gzip_bytes": result.gzip_bytes,
                    "accuracy": float((scores.argmax(-1) == images.y_test).mean() * 100),
                }
            )
    timed = tfprune.benchmark.run(paths, threads=1, min_seconds=seconds)
    for row, one in zip(rows, timed, strict=True):
        row["cpu_ms"] = one.latency.cpu_p5_ms
        row["speed_up"] = timed[0].latency.cpu_p5_ms / one.latency.cpu_p5_ms
    return rows


def table(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    whole = content["rows"][0]
    rows = []
    for name in dict.fromkeys(row["network"] for row in content["rows"]):
        float32, int8 = (
            next(r for r in content["rows"] if (r["network"], r["stored"]) == (name, stored))
            for stored in ("float32", "int8")
        )
        step = next((s for s in content["steps"] if s["name"] == name), None)
        rows.append(
            [
                name,
                f"{float32['parameters']:,}",
                f"{1 - float32['parameters'] / whole['parameters']:.1%}",
                f"{whole['macs'] / float32['macs']:.1f}×",
                "" if step is None else f"{step['refitted']:.2f}",
                f"{float32['accuracy']:.2f}",
                f"{float32['speed_up']:.1f}×",
                f"{int8['accuracy']:.2f}",
                f"{int8['speed_up']:.1f}×",
                f"{int8['bytes']:,}",
            ]
        )
    headers = [
        "network", "parameters", "removed", "fewer MACs", "refitted, no labels", "trained", "faster", "int8", "faster",
        "bytes, int8",
    ]  # fmt: skip
    return markdown(headers, rows)


def parsed(description: str | None, name: str) -> tuple[argparse.Namespace, Path]:
    """Return the arguments of a benchmark that keeps networks, and the folder for these, made if there is none."""
    parser = make_parser(description)
    parser.add_argument("--data-dir", type=Path, required=True, help="where cifar10_jpeg.npz is")
    parser.add_argument("--work", type=Path, default=FOLDER / f"work_{name}", help="folder for the networks")
    arguments = parser.parse_args()
    work = arguments.work / "quick" if arguments.quick else arguments.work
    work.mkdir(parents=True, exist_ok=True)
    return arguments, work


def main() -> None:
    import keras

    arguments, work = parsed(__doc__, "vgg16")
    quick = arguments.quick
    content: dict[str, Any] = {"environment": environment(), "steps": [], "rows": []}
    images = Images(arguments.data_dir, quick)
    whole = train_dense(images, work, ((16, 1, 0.05), (32, 1, 0.02)) if quick else PHASES)
    trained, whole = whole, build(32)
    whole.set_weights(trained.get_weights())
    models, model = {"whole": whole}, whole
    for left in LEFT[:1] if quick else LEFT:
        name = f"{left:.0%} left"
        path, state = work / f"{left:g}.keras", work / f"{left:g}.json"
        if not (path.exists() and state.exists()):
            step = shrink_further(model, whole, images, left, 1 if quick else EPOCHS, int(1000 * left))
            step.pop("model").save(path)
            write_json(state, {**step, "name": name})
        model = models[name] = keras.models.load_model(path)
        content["steps"].append(json.loads(state.read_text()))
        print(content["steps"][-1], flush=True)
    content["rows"] = measure(models, images, work, 0.2 if quick else 3.0)
    content["trained"] = json.loads((work / "dense.json").read_text())
    told = "The whole network was trained for {epochs} epochs, {seconds:.0f} s.".format(**content["trained"])
    text = f"{table(content)}\n\n{told} CIFAR-10 (JPEG), {len(images.y_test):,} test images."
    report(destination(arguments, "vgg16"), content, text)


if __name__ == "__main__":
    main()
