"""Keyword spotting on a microcontroller: how small a DS-CNN gets, and what that costs.

A depthwise-separable network (Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", arXiv:1711.07128, its
small size; the one of MLPerf Tiny) tells ten words, other words and silence apart. It is fitted into less and less
flash and RAM, measured by TensorFlow Lite Micro, without labels; then the whole network teaches it, for some epochs or
as long as it was trained itself; or, as a control, a network of these widths is drawn anew and trained as long. Every
accuracy is that of the int8 file. The words are synthesised: see `spoken_words.py`. Networks are kept in `--work`, each
result is written at once; the same command continues where it was stopped.

    pip install espeakng-loader
    python benchmarks/keyword_spotting.py
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from images import work_of
from resnet_cifar10 import spread
from spoken_words import CLASSES, COEFFICIENTS, FRAMES, spoken

BUDGETS = (("40kB", "20kB"), ("30kB", "16kB"), ("20kB", "12kB"), ("14kB", "10kB"))
WAYS = ("no labels", "taught", "taught as long", "drawn anew")
SEEDS = (0, 1, 2)
EPOCHS, AFTER = 25, 8
EACH, TESTED = 600, 200


def build() -> Any:
    """Return a DS-CNN of the small size: 64 channels, one convolution and four depthwise-separable ones."""
    import keras

    layers = keras.layers
    x = inputs = keras.Input((FRAMES, COEFFICIENTS, 1), name="coefficients")
    x = layers.Normalization(mean=0.0, variance=40.0, name="scale")(x)
    x = layers.Conv2D(64, (10, 4), strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for _ in range(4):
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(64, 1, use_bias=False)(x)))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(len(CLASSES), name="words")(x), name="ds_cnn")


def train(model: Any, data: tuple[Any, Any], epochs: int, seed: int, rate: float, teacher: Any = None) -> None:
    """Train a network, with a teacher or without."""
    import keras

    import tfprune

    keras.utils.set_random_seed(seed)
    trained = model if teacher is None else tfprune.Distiller(model, teacher)
    steps = epochs * -(-len(data[0]) // 100)
    trained.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    trained.fit(*data, batch_size=100, epochs=epochs, verbose=0)


def as_file(model: Any, data: tuple[Any, Any], test: tuple[Any, Any]) -> dict[str, Any]:
    """Return what a network needs and how accurate it is as an int8 file with int8 inputs and outputs."""
    import tfprune
    from tfprune.cost import CostModel
    from tfprune.graph import trace

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.tflite"
        tfprune.to_tflite(model, path, quantize="int8", representative_data=data[0][:500], io_dtype="int8")
        footprint = tfprune.micro.measure(path)
        (scores,) = tfprune.benchmark.predict(str(path), test[0])
    cost = CostModel(trace(model)).whole
    return {
        "accuracy": float((scores.argmax(-1) == test[1]).mean() * 100),
        "flash": footprint.flash_bytes,
        "ram": footprint.arena_bytes,
        "macs": cost.macs,
        "parameters": cost.parameters,
    }


def measure(
    seed: int, each: int, epochs: tuple[int, int], budgets: Any, known: list[dict[str, Any]], save: Any, work: Path
) -> None:
    """Measure what is not known yet of one training of the whole network."""
    import keras

    import tfprune
    from tfprune.distillation.teacher import snapshot

    wanted = [(0, "whole"), *((n, way) for n in range(1, len(budgets) + 1) for way in WAYS)]
    done = {(r["budget"], r["way"]) for r in known if r["seed"] == seed}
    if done >= set(wanted):
        return
    data, test = spoken(each, seed, test=False), spoken(max(10, each * TESTED // EACH), 0, test=True)

    def kept(name: str, make: Any) -> Any:
        path = work / f"{name}_{seed}.keras"
        if not path.exists():
            make().save(path)
        return keras.models.load_model(path, compile=False)

    def keep(number: int, way: str, make: Any) -> None:
        if (number, way) not in done:
            begin = time.perf_counter()
            result = {"budget": number, "way": way, "seed": seed, **as_file(make(), data, test)}
            save({**result, "seconds": time.perf_counter() - begin})

    def trained(model: Any, epochs: int, rate: float, teacher: Any = None) -> Any:
        train(model, data, epochs, seed, rate, teacher)
        return model

    def drawn(like: Any) -> Any:
        keras.utils.set_random_seed(seed)
        return build() if like is None else keras.models.clone_model(like)

    whole = kept("whole", lambda: trained(drawn(None), epochs[0], 2e-3))
    keep(0, "whole", lambda: whole)
    for number, (flash, ram) in enumerate(budgets, 1):
        if {(number, way) for way in WAYS} <= done:
            continue
        budget = tfprune.Budget(flash=flash, ram=ram)
        small = kept(
            f"{flash}_{ram}",
            lambda budget=budget: (
                tfprune.micro.fit_device(whole, budget, data=data[0][:1024], seed=seed, verbose=0).model
            ),
        )
        ways = {
            "no labels": lambda small=small: small,
            "taught": lambda small=small: trained(snapshot(small), epochs[1], 1e-3, whole),
            "taught as long": lambda small=small: trained(snapshot(small), epochs[0], 2e-3, whole),
            "drawn anew": lambda small=small: trained(drawn(small), epochs[0], 2e-3),
        }
        for way in WAYS:
            keep(number, way, ways[way])


def table(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for number, budget in enumerate([None, *content["settings"]["budgets"]]):
        own = [r for r in content["results"] if r["budget"] == number]
        if not own:
            continue
        mean = {key: sum(r[key] for r in own) / len(own) for key in ("flash", "ram", "macs", "parameters")}
        ways = ["whole"] if budget is None else WAYS
        cells = [spread([r["accuracy"] for r in own if r["way"] == way]) for way in ways]
        rows.append(
            [
                "whole" if budget is None else f"{budget[0]} of flash, {budget[1]} of RAM",
                f"{mean['parameters']:,.0f}", f"{mean['macs'] / 1e6:.2f} M", f"{mean['flash'] / 1000:.1f} kB",
                f"{mean['ram'] / 1000:.1f} kB", *cells, *[""] * (len(WAYS) - len(cells)),
            ]
        )  # fmt: skip
    headers = ["budget", "parameters", "MACs", "flash", "RAM", "no labels", f"then taught {AFTER} epochs",
               f"{EPOCHS} epochs", f"drawn anew, {EPOCHS} epochs"]  # fmt: skip
    seeds, tested = len({r["seed"] for r in content["results"]}), content["settings"]["tested"]
    note = (
        f"Accuracy of the int8 files in per cent, {tested:,} words of voices that were heard nowhere else; mean and "
        f"standard deviation of {seeds} seeds. Flash is the file, RAM the smallest arena in which TensorFlow Lite "
        "Micro runs it."
    )
    return f"{markdown(headers, rows)}\n\n{note}"


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--work", type=Path, help="folder for the networks; else one beside this script")
    arguments = parser.parse_args()
    path = destination(arguments, "keyword_spotting")
    quick, work = arguments.quick, work_of(arguments, "keyword_spotting")
    each, epochs = (40, (2, 1)) if quick else (EACH, (EPOCHS, AFTER))
    budgets = BUDGETS[1:2] if quick else BUDGETS
    settings = {"budgets": [list(b) for b in budgets], "tested": max(10, each * TESTED // EACH) * len(CLASSES)}
    content: dict[str, Any] = {"environment": environment(), "settings": settings, "results": []}
    if path.exists() and not quick:
        content = json.loads(path.read_text(encoding="utf-8"))

    def save(result: dict[str, Any]) -> None:
        content["results"].append(result)
        write_json(path, content)
        print(result, flush=True)

    for seed in SEEDS[:1] if quick else SEEDS:
        measure(seed, each, epochs, budgets, content["results"], save, work)
    report(path, content, table(content))


if __name__ == "__main__":
    main()
