"""VGG-16: most of the parameters removed, and what that costs in accuracy and saves in time.

A VGG-16 with batch normalisation is trained on CIFAR-10 (JPEG), or on Fashion-MNIST: first on images of 16 × 16, then
larger ones. From it filters are removed step by step, to half of the parameters and on to 2 % of them, each time by the
structured optimal brain surgeon on images without labels, refitted, and trained for some epochs with the whole network
as the teacher; its answers to some variants of the training images are kept in files. Each network becomes a float and
an int8 file; accuracy is the interpreter's on 10,000 test images, latency is measured beside the whole network's,
taking turns. Networks are kept in `--work`; the same command continues where it stopped. `--keep` writes the smallest
int8 file to a folder, with its card. All trainings compute in bfloat16 on CPUs that have instructions for it
(`--policy`); what is cut, refitted and measured is float32.

    python benchmarks/vgg16.py --data-dir <folder with cifar10_jpeg.npz> --work <folder for networks>
    python benchmarks/vgg16.py --dataset fashion_mnist --work <another folder>
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import destination, environment, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default without AVX-512, and trainings slow

from images import Images, cifar10_jpeg, fashion_mnist, parser_with_work, work_of

LEFT = {
    "cifar10": {0.5: 2, 0.2: 4, 0.1: 4, 0.05: 4, 0.02: 6},
    "fashion_mnist": {0.5: 1, 0.2: 1, 0.1: 2, 0.05: 2, 0.02: 4},
}
"""Parameters that are left after each step, and epochs of training after it; easier images need fewer."""
PHASES = {
    "cifar10": ((16, 8, 0.02), (24, 4, 0.01), (32, 3, 0.005)),
    "fashion_mnist": ((16, 4, 0.02), (32, 2, 0.01)),
}
"""Height and width of the images, epochs, and the learning rate that these begin with; it ends at a tenth of that."""
VARIANTS = {"cifar10": 4, "fashion_mnist": 2}
"""Variants of the training images that the teacher has answered."""
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def build(size: int | None = None, channels: int = 3) -> Any:
    """Return VGG-16 for small images, by default of any size: 13 convolutions, each normalised, and a dense layer."""
    import keras

    x = inputs = keras.Input((size, size, channels))
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


def fast_policy() -> str:
    """Return what trainings compute in: bfloat16 where the CPU has instructions for it."""
    told = Path("/proc/cpuinfo")
    flags = told.read_text(encoding="utf-8").split() if told.exists() else []
    return "mixed_bfloat16" if {"avx512_bf16", "amx_bf16"} & set(flags) else "float32"


def computing_in(policy: str, model: Any) -> Any:
    """Return a copy of a network that computes in another precision, its outputs in float32."""
    import keras

    last = model.layers[-1].name

    def copy(layer: Any) -> Any:
        dtype = "float32" if layer.name == last else policy
        return type(layer).from_config({**layer.get_config(), "dtype": dtype})

    copied = keras.models.clone_model(model, clone_function=copy)
    copied.set_weights(model.get_weights())
    return copied


def train_dense(images: Images, work: Path, phases: Sequence[tuple[int, int, float]], policy: str) -> Any:
    """Return the whole network, trained, in float32; each epoch is kept, and not trained again."""
    import keras

    path, state = work / "dense.keras", work / "dense.json"
    channels = images.x_train.shape[-1]
    keras.utils.set_random_seed(0)
    model = keras.models.load_model(path) if path.exists() else computing_in(policy, build(channels=channels))
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
        write_json(state, done)
        told = f"{history['accuracy'][0]:.3f}, {done['seconds']:.0f} s"
        print(f"epoch {number + 1} of {len(whole)}, {size} × {size}: {told}", flush=True)
    trained = build(32, channels)
    trained.set_weights(model.get_weights())
    return trained


def shrink_further(
    model: Any, whole: Any, images: Images, work: Path, left: float, epochs: int, policy: str, variants: int
) -> dict[str, Any]:
    """Return a smaller network, with its accuracy after the refit and after training."""
    import keras

    import tfprune
    from tfprune.cost import CostModel
    from tfprune.distillation import with_answers
    from tfprune.graph import trace

    begin = time.perf_counter()
    parameters = int(left * CostModel(trace(whole)).whole.parameters)
    plan = tfprune.plan_filters(
        model, tfprune.Budget(params=parameters), data=images.x_train[:2048], samples=2048, round_to=8, verbose=0
    )
    small = plan.repair().model
    planned = time.perf_counter() - begin
    refitted = accuracy(small, images)
    keras.utils.set_random_seed(0)
    student = computing_in(policy, small)
    distiller = tfprune.Distiller(student, computing_in(policy, whole), "kd")
    steps = epochs * -(-len(images.x_train) // 128)
    rate = keras.optimizers.schedules.CosineDecay(0.02, steps)
    distiller.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=1e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for epoch in range(epochs):
        data = with_answers(
            distiller.teacher, images.varied(epoch % variants), work / f"answers_{epoch % variants}.npz",
            batch_size=128, seed=epoch,
        )  # fmt: skip
        distiller.fit(data, epochs=1, verbose=0, shuffle=False)
    small.set_weights(student.get_weights())
    return {
        "model": small,
        "left": left,
        "refitted": refitted,
        "plan_seconds": planned,
        "train_seconds": time.perf_counter() - begin - planned,
        "epochs": epochs,
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


def keep(model: Any, content: dict[str, Any], images: Images, path: Path, command: str) -> None:
    """Write a network as an int8 file, with a card that says what was measured of it."""
    import tfprune

    first, last = content["rows"][0], content["rows"][-1]
    x = images.x_train[:512].astype("float32")
    checked = images.x_test[:100].astype("float32")
    result = tfprune.to_tflite(model, path, quantize="int8", representative_data=x, parity_data=checked, overwrite=True)
    border = " (28 × 28 with a border of zeros)" if x.shape[-1] == 1 else ""
    result.save_card(overwrite=True, extra={
        "Network": f"VGG-16 for {images.name}, {last['parameters']:,} parameters of {first['parameters']:,}; filters "
        "removed step by step by tfprune.plan_filters, refitted, and taught by the original",
        "Trained": f"on all training images; inputs of 32 × 32{border}, values from 0 to 255",
        "Top-1": f"{last['accuracy']:.2f} % of {len(images.y_test):,} test images by the interpreter, original "
        f"{first['accuracy']:.2f} %",
        "Speed-up": f"{last['speed_up']:.1f}× of the original as float, one thread of {content['environment']['cpu']}, "
        "side by side",
        "Original": f"{first['bytes']:,} bytes",
        "Made by": command,
    })  # fmt: skip


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


def main() -> None:
    import keras

    parser = parser_with_work(__doc__)
    parser.add_argument("--dataset", default="cifar10", choices=list(PHASES), help="what it is trained on")
    parser.add_argument(
        "--policy", default=fast_policy(), help="what trainings compute in, here by default %(default)s"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="folder for the smallest int8 file, with its card")
    arguments = parser.parse_args()
    quick = arguments.quick
    name = "vgg16" if arguments.dataset == "cifar10" else f"vgg16_{arguments.dataset}"
    work = work_of(arguments, name)
    images = cifar10_jpeg(arguments.data_dir, quick) if arguments.dataset == "cifar10" else fashion_mnist(quick)
    phases = ((16, 1, 0.05), (32, 1, 0.02)) if quick else PHASES[arguments.dataset]
    content: dict[str, Any] = {"environment": environment(), "data": images.name, "steps": [], "rows": []}
    whole = train_dense(images, work, phases, arguments.policy)
    models, model = {"whole": whole}, whole
    print(f"whole: {accuracy(whole, images):.2f}", flush=True)
    for left, epochs in {0.5: 1}.items() if quick else LEFT[arguments.dataset].items():
        path, state = work / f"{left:g}.keras", work / f"{left:g}.json"
        if not (path.exists() and state.exists()):
            variants = VARIANTS[arguments.dataset]
            step = shrink_further(model, whole, images, work, left, epochs, arguments.policy, variants)
            step.pop("model").save(path)
            write_json(state, {**step, "name": f"{left:.0%} left"})
        content["steps"].append(json.loads(state.read_text()))
        model = models[content["steps"][-1]["name"]] = keras.models.load_model(path)
        print(content["steps"][-1], flush=True)
    content["rows"] = measure(models, images, work, 0.2 if quick else 3.0)
    content["trained"] = json.loads((work / "dense.json").read_text())
    told = "The whole network was trained for {epochs} epochs, {seconds:.0f} s.".format(**content["trained"])
    text = f"{table(content)}\n\n{told} {images.name}, {len(images.y_test):,} test images."
    report(destination(arguments, name), content, text)
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        told = "--data-dir …" if arguments.dataset == "cifar10" else f"--dataset {arguments.dataset}"
        command = f"python benchmarks/vgg16.py {told} --keep tflite_models"
        keep(model, content, images, arguments.keep / f"{name}_int8.tflite", command)


if __name__ == "__main__":
    main()
