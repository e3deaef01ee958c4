"""Zeros in 1 × 1 convolutions, or fewer filters: which costs more accuracy at equal latency.

A small network of MobileNet V2's blocks, in the form for which sparse kernels skip zeros, is trained on CIFAR-10
(JPEG). From it weights of its 1 × 1 convolutions are pruned to 70, 80 and 90 % while it trains on; and filters are
removed, refitted and trained for as many epochs, by the same teacher, to the latency that these zeros had where sparse
kernels work (`edge.py` says where that was). Latency is measured here too: with AVX, zeros are never skipped.
Accuracies are those of the files. Networks are kept in `--work`; the same command continues where it was stopped.

    python benchmarks/zeros_or_filters.py --data-dir <folder with cifar10_jpeg.npz> --work <folder for networks>
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from common import destination, environment, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from edge import ELSEWHERE
from images import Images, cifar10_jpeg, parser_with_work, work_of

BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 3, 2), (6, 96, 2, 1))
"""How much wider inside, channels, how many, the stride of the first."""
SPARSITIES = (0.7, 0.8, 0.9)
EPOCHS, AFTER = 16, 5


def build() -> Any:
    """Return a network of MobileNet V2's blocks for images of 32 × 32, with logits."""
    import keras

    layers = keras.layers

    def normalised(x: Any, name: str) -> Any:
        return layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)

    inputs = keras.Input((32, 32, 3), name="image")
    x = layers.ZeroPadding2D(1, name="stem_pad")(inputs)
    x = normalised(layers.Conv2D(32, 3, strides=2, use_bias=False, name="stem")(x), "stem")
    x = layers.ReLU(6.0)(x)
    for stage, (wider, channels, count, stride) in enumerate(BLOCKS):
        for number in range(count):
            name, before, given = f"block{stage}_{number}", x, x.shape[-1]
            step = stride if number == 0 else 1
            if wider > 1:
                x = layers.Conv2D(wider * given, 1, use_bias=False, name=f"{name}_expand")(x)
                x = layers.ReLU(6.0)(normalised(x, f"{name}_expand"))
            if step > 1:
                x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
            x = layers.DepthwiseConv2D(
                3, strides=step, padding="valid" if step > 1 else "same", use_bias=False, name=f"{name}_depthwise"
            )(x)
            x = layers.ReLU(6.0)(normalised(x, f"{name}_depthwise"))
            x = normalised(layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(x), f"{name}_project")
            if given == channels and step == 1:
                x = layers.Add()([before, x])
    x = layers.ReLU(6.0)(normalised(layers.Conv2D(384, 1, use_bias=False, name="head")(x), "head"))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(10, name="classes")(x), name="inverted")


def train(model: Any, images: Images, epochs: int, rate: float, teacher: Any = None, callbacks: Any = ()) -> None:
    """Train a network on shifted and mirrored images in −1 … 1."""
    import keras

    import tfprune

    trained = model if teacher is None else tfprune.Distiller(model, teacher)
    steps = epochs * (len(images.x_train) // 128)
    trained.compile(
        keras.optimizers.SGD(
            keras.optimizers.schedules.CosineDecay(rate, steps), momentum=0.9, nesterov=True, weight_decay=1e-4
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    data = images.batches(32, 0).map(lambda x, y: (x / 127.5 - 1, y))
    trained.fit(data, epochs=epochs, shuffle=False, verbose=2, callbacks=list(callbacks))


def top_1(scores: Any, images: Images) -> float:
    """Return the per cent of test images whose top class is right."""
    return float((scores.argmax(-1) == images.y_test).mean() * 100)


def smaller(kind: str, sparsity: float, whole: Any, images: Images, epochs: int) -> tuple[Any, dict[str, float]]:
    """Return a network with zeros, or with fewer filters, trained further by the whole one, and what is known of it."""
    import tfprune
    from tfprune.distillation.teacher import snapshot

    if kind == "zeros":
        model = snapshot(whole)
        pruning = tfprune.PruneCallback(sparsity, target="android-cpu", verbose=0)
        train(model, images, epochs, 0.02, whole, [pruning])
        return model, {}
    budget = tfprune.Budget(latency=1 / ELSEWHERE["mobilenet_v2", sparsity])
    data = images.x_train[:1024].astype("float32") / 127.5 - 1
    plan = tfprune.plan_filters(whole, budget, data=data, samples=1024, round_to=8)
    model = plan.repair().model
    refitted = top_1(model.predict(images.x_test.astype("float32") / 127.5 - 1, batch_size=256, verbose=0), images)
    train(model, images, epochs, 0.02, whole)
    return model, {"refitted": refitted, "fewer_macs": plan.before.macs / plan.after.macs}


def measure(
    models: dict[str, Any], told: dict[str, Any], images: Images, work: Path, seconds: float
) -> list[dict[str, Any]]:
    """Return what the files of each network are worth: zeros stored sparse, as float16 too; filters as int8 too."""
    import tfprune
    from tfprune.cost import CostModel
    from tfprune.graph import trace

    tests, rows, paths = images.x_test.astype("float32") / 127.5 - 1, [], []
    for name, model in models.items():
        kind, _, sparsity = name.partition(" ")
        sparse = kind == "zeros"
        for stored in (None, "float16") if sparse else (None, "int8"):
            path = work / f"{name.replace(' ', '_')}_{stored or 'float32'}.tflite"
            made = tfprune.to_tflite(
                model, path, quantize=stored, sparse=sparse, overwrite=True,
                representative_data=images.x_train[:512].astype("float32") / 127.5 - 1 if stored == "int8" else None,
            )  # fmt: skip
            (scores,) = tfprune.benchmark.predict(str(path), tests)
            paths.append(str(path))
            rows.append(
                {
                    "kind": kind,
                    "sparsity": float(sparsity) if sparsity else 0.0,
                    "stored": stored or "float32",
                    "accuracy": top_1(scores, images),
                    "refitted": told[name].get("refitted"),
                    "macs": CostModel(trace(model)).whole.macs,
                    "bytes": made.bytes,
                    "gzip_bytes": made.gzip_bytes,
                    "skipped": tfprune.lint(path).engages if sparse else None,
                    "elsewhere": ELSEWHERE["mobilenet_v2", float(sparsity)] if sparse else None,
                }
            )
    timed = tfprune.benchmark.run(paths, threads=1, min_seconds=seconds)
    for row, one in zip(rows, timed, strict=True):
        row["here"] = timed[0].latency.cpu_p5_ms / one.latency.cpu_p5_ms
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    cells = []
    for row in rows:
        what = "original" if row["kind"] == "whole" else (
            f"{100 * row['sparsity']:.0f} % zeros" if row["kind"] == "zeros" else
            f"filters, to 1/{ELSEWHERE['mobilenet_v2', row['sparsity']]} of the latency"
        )  # fmt: skip
        elsewhere = "" if row["elsewhere"] is None else f"{row['elsewhere']:.2f}×"
        cells.append(
            [
                what, row["stored"] + (", sparse" if row["kind"] == "zeros" else ""),
                "" if row["refitted"] is None else f"{row['refitted']:.2f}", f"{row['accuracy']:.2f}",
                f"{row['here']:.2f}×", elsewhere, {True: "yes", False: "no", None: ""}[row["skipped"]],
                f"{row['bytes']:,}", f"{row['gzip_bytes']:,}",
            ]
        )  # fmt: skip
    headers = [
        "network", "stored", "refitted, no labels", "trained", "faster here, measured",
        "with 128-bit vectors, elsewhere", "zeros skipped on ARM (lint)", "bytes", "gzip",
    ]  # fmt: skip
    return markdown(headers, cells)


def main() -> None:
    import keras

    arguments = parser_with_work(__doc__).parse_args()
    quick, work = arguments.quick, work_of(arguments, "zeros")
    epochs, after = (1, 1) if quick else (EPOCHS, AFTER)
    images = cifar10_jpeg(arguments.data_dir, quick)

    state = work / "told.json"
    told: dict[str, Any] = json.loads(state.read_text()) if state.exists() else {}

    def kept(name: str, make: Any) -> Any:
        path = work / f"{name.replace(' ', '_')}.keras"
        if not (path.exists() and name in told):
            keras.utils.set_random_seed(0)
            begin = time.perf_counter()
            model, facts = make()
            told[name] = {**facts, "seconds": time.perf_counter() - begin}
            model.save(path)
            write_json(state, told)
            print(f"{name}: {told[name]}", flush=True)
        return keras.models.load_model(path, compile=False)

    def trained() -> tuple[Any, dict[str, float]]:
        model = build()
        train(model, images, epochs, 0.1)
        return model, {}

    models = {"whole": kept("whole", trained)}
    for sparsity in SPARSITIES[:1] if quick else SPARSITIES:
        for kind in ("zeros", "filters"):
            models[f"{kind} {sparsity}"] = kept(
                f"{kind} {sparsity}",
                lambda kind=kind, sparsity=sparsity: smaller(kind, sparsity, models["whole"], images, after),
            )
    content: dict[str, Any] = {"environment": environment(), "epochs": [epochs, after], "told": told}
    content["rows"] = measure(models, told, images, work, 0.2 if quick else 3.0)
    text = (
        f"{table(content['rows'])}\n\nThe original network: {epochs} epochs on CIFAR-10 (JPEG); each other one {after} "
        f"more, taught by it; before that, fewer filters were refitted. {len(images.y_test):,} test images."
    )
    report(destination(arguments, "zeros_or_filters"), content, text)


if __name__ == "__main__":
    main()
