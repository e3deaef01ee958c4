"""What pruning costs and keeps while a network trains, beside TFMOT; criteria; training for int8."""

from __future__ import annotations

from statistics import median

from blocks import figures, one, result
from common import markdown

from shown.filters import spread


@figures
def step_time() -> str:
    networks = result("step_time")["results"]
    rows = []
    for name in networks["tfprune"]:
        times = {library: networks[library][name]["times"] for library in ("tfprune", "tfmot")}
        noise = ", ".join(f"{one(times[library], frequency=None)['step_ratio']:.2f}" for library in times)
        for number, frequency in enumerate((100, 10, 1)):
            ratios = [f"{one(times[library], frequency=frequency)['step_ratio']:.2f}" for library in times]
            how_often = "step" if frequency == 1 else f"{frequency} steps"
            rows.append([f"{name} weights", how_often, *ratios, "" if number else noise])
    table = markdown(["network", "masks updated every", "tfprune", "TFMOT", "plain against plain: the noise"], rows)
    first = {
        library: [network["first_step"]["first_step_ratio"] for network in networks[library].values()]
        for library in ("tfprune", "tfmot")
    }
    files = checkpoints("tfmot")
    own = {network["checkpoint"]["pruned"]["variables"] - network["checkpoint"]["plain"]["variables"]
           for network in networks["tfprune"].values()}  # fmt: skip
    if own != {0}:
        raise LookupError("tfprune's checkpoints hold variables of their own: the text says they don't")
    return (
        f"{table}\n\nThe first step takes {first['tfprune'][0]:.2f} and {first['tfprune'][1]:.2f} times as long as "
        f"without pruning (TFMOT: {first['tfmot'][0]:.2f} and {first['tfmot'][1]:.2f}), and a checkpoint holds no "
        f"variable more (TFMOT's is {files[0]:.2f} and {files[1]:.2f} times as large). An update at every step of a "
        "network as small as these costs more than it should; the default is about 100 updates in a training."
    )


def fashion(sparsity: float, library: str) -> str:
    """Return the accuracies at one sparsity."""
    rows = result("fashion_mnist_vs_tfmot")["results"]
    return spread([100 * r["accuracy"] for r in rows if (r["sparsity"], r["library"]) == (sparsity, library)])


@figures
def fashion_mnist_vs_tfmot() -> str:
    return markdown(
        ["sparsity", "tfprune", "TFMOT"],
        [
            [f"{100 * sparsity:.0f} %", fashion(sparsity, "tfprune"), fashion(sparsity, "tfmot")]
            for sparsity in (0.0, 0.5, 0.8, 0.9, 0.95)
        ],
    )


@figures
def mask_update() -> str:
    rows = result("mask_update")["results"]

    def milliseconds(name: str) -> float:
        return float(median(one(rows, name=name)["ms"]))

    own = [milliseconds(f"update, weight, {rest}") for rest in
           ("layer, ramping", "layer, dense", "global, ramping", "global, dense")]  # fmt: skip
    imports = result("import_time")["results"]
    seconds = [median(one(imports, statement=f"import {name}")["seconds"]) for name in ("tfprune", "tfprune.benchmark")]
    return (
        f"**One update of 655,360 weights** (`python benchmarks/mask_update.py`): {own[0]:.0f} ms in the middle of a "
        f"ramp, {own[1]:.0f} ms at its beginning, {own[2]:.0f} and {own[3]:.0f} ms with scores compared across "
        f"layers; `tf.sort` of the same weights alone takes {milliseconds('`tf.sort` of the magnitudes alone'):.0f} "
        f"ms. **`import tfprune`**: {seconds[0]:.2f} s; `import tfprune.benchmark`: {seconds[1]:.2f} s, without "
        "TensorFlow (`python benchmarks/import_time.py`)."
    )


@figures
def criteria() -> str:
    networks = result("criteria")["networks"]
    small, resnet = (networks[name]["criteria"] for name in ("small_cnn on Fashion-MNIST", "ResNet-20 on CIFAR-10"))

    def told(criterion: str, values: dict[str, dict[str, float]]) -> str:
        return f"{values[criterion]['within']:.2f}"

    return (
        "How well their scores rank what removing each filter really does to the loss, as a rank correlation (1: the "
        "same order; 0: chance): "
        f'{told("taylor_activation", small)} (`"taylor_activation"`), {told("obd", small)} (`"obd"`), '
        f'{told("jacobian", small)} (`"jacobian"`, which needs no labels) for a network on Fashion-MNIST, '
        f'{told("magnitude", small)} for `"magnitude"`; {told("jacobian", resnet)} (`"jacobian"`), '
        f'{told("l2", resnet)} (`"l2"`), {told("magnitude", resnet)} (`"magnitude"`) for a public ResNet-20 '
        "([all of them](docs/benchmarks.md#criteria), `python benchmarks/criteria.py --data-dir …`)."
    )


@figures
def quantize_aware() -> str:
    rows = result("quantize_aware")["results"]
    ways = {
        "float32": "float32",
        "int8, calibrated after training": "int8_after",
        "int8, trained for it": "int8_aware",
        "4-bit weights, rounded after training": "bits4_after",
        "4-bit weights, trained for it": "bits4_aware",
    }
    return markdown(
        ["test accuracy, %", "plain", "depthwise-separable"],
        [
            [text, *(spread([100 * r[key] for r in rows if r["network"] == name]) for name in ("plain", "separable"))]
            for text, key in ways.items()
        ],
    )


def gain(frequency: int, name: str = "658 k") -> tuple[float, float]:
    """Return how long a step takes, in parts of a plain one: tfprune's, and TFMOT's."""
    networks = result("step_time")["results"]
    own, other = (one(networks[library][name]["times"], frequency=frequency) for library in ("tfprune", "tfmot"))
    return own["step_ratio"], other["step_ratio"]


def checkpoints(library: str) -> list[float]:
    """Return how many times as large a library's checkpoints are while it prunes, network by network."""
    found = [network["checkpoint"] for network in result("step_time")["results"][library].values()]
    return [files["pruned"]["file_bytes"] / files["plain"]["file_bytes"] for files in found]


ALLOWED = 0.5
"""Points that the headline may lose."""


@figures
def vgg16_headline() -> str:
    rows = result("vgg16")["rows"]
    before = one(rows, network="whole", stored="float32")
    kept = [r for r in rows if r["stored"] == "float32" and r["accuracy"] >= before["accuracy"] - ALLOWED]
    after = min(kept, key=lambda row: row["parameters"])
    int8 = one(rows, network=after["network"], stored="int8")
    removed = 1 - after["parameters"] / before["parameters"]
    return (
        f"And with training: a VGG-16 for CIFAR-10 (JPEG) that lost {removed:.1%} of its parameters, step by step, "
        f"refitted and taught by the original after each, is {after['speed_up']:.1f}× as fast, "
        f"{int8['speed_up']:.1f}× as int8: {before['accuracy']:.1f} % before, {after['accuracy']:.1f} and "
        f"{int8['accuracy']:.1f} % after, {before['bytes'] / 1e6:.1f} MB before, {int8['bytes'] / 1e6:.2f} as int8 "
        "(`python benchmarks/vgg16.py --data-dir …`; [the whole curve](docs/benchmarks.md)). The original was trained "
        f"for {result('vgg16')['trained']['epochs']} epochs only: what the smaller ones gain may be training that it "
        f"lacked. {vgg16_elsewhere()}"
    )


def vgg16_elsewhere() -> str:
    """Return the same of Fashion-MNIST, which was measured on a CPU that has no fast int8."""
    rows = result("vgg16_fashion_mnist")["rows"]
    before, after, int8 = rows[0], *rows[-2:]
    return (
        f"The speed-up of int8 is that of a CPU with AVX-512 VNNI. On one without, a VGG-16 for Fashion-MNIST with "
        f"{1 - after['parameters'] / before['parameters']:.1%} fewer parameters is {after['speed_up']:.1f}× as fast, "
        f"{int8['speed_up']:.1f}× as int8, with {before['accuracy']:.1f} % before, {after['accuracy']:.1f} and "
        f"{int8['accuracy']:.1f} % after (`--dataset fashion_mnist`)."
    )
