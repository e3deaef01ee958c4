"""tfprune beside its peers, each figure from a run of both on the same work."""

from __future__ import annotations

from statistics import mean
from typing import Any

from blocks import figures, one, result
from common import markdown

from shown.factors import prediction
from shown.training import checkpoints, fashion, gain
from shown.without_labels import FACTORS, FILTERS, RATIOS, certainty, resnet56, whole


def torch_pruning(ratio: float) -> dict[str, Any]:
    """Return the result of Torch-Pruning's setting that is best on the test images, in one shot."""
    rows = result("resnet_cifar10_torch_pruning")["results"]
    own = [r for r in rows if r["network"] == "resnet56_cifar10" and r["wanted"] == ratio and r.get("accuracy")]
    reached = [r for r in own if r["ratio"] >= ratio - 0.005]
    return dict(max(reached, key=lambda r: (r["accuracy"], len(r["tuned"]))))


@figures
def torch_pruning_by_ratio() -> str:
    rows = []
    for ratio in RATIOS:
        factors, filters = (resnet56(method, ratio) for method in (FACTORS, FILTERS))
        cells = [f"{factors['refitted']:.2f}", f"{filters['refitted']:.2f}", f"{torch_pruning(ratio)['accuracy']:.2f}"]
        rows.append([f"{ratio:g}×", *cells])
    headers = ["fewer multiply-accumulates", "tfprune, factors", "tfprune, filters", "Torch-Pruning, best setting"]
    tested = result("resnet_cifar10")["tested"]
    return (
        f"{markdown(headers, rows)}\n\nPer cent of {tested:,} test images, whole {whole():.2f}, no training in either; "
        "tfprune sees images without labels, and so refits what is left (`python benchmarks/resnet_cifar10.py`, "
        "`resnet_cifar10_torch_pruning.py`, [all settings](docs/benchmarks.md#resnet_cifar10_torch_pruning))."
    )


@figures
def peers() -> str:
    half = torch_pruning(2.1)
    count, typical, worst = prediction()
    step = gain(1)
    rows = [
        ["works with", "Keras 3", "Keras 2 (`tf_keras`)", "PyTorch"],
        [
            f"ResNet-56 ({whole():.2f}), 2.1× fewer multiply-accumulates, no training: top-1",
            f"**{resnet56(FACTORS, 2.1)['refitted']:.2f}**",
            "–",
            f"{half['accuracy']:.2f}",
        ],
        [
            "the same, then ten epochs on 4,000 images",
            f"**{resnet56(FACTORS, 2.1)['tuned'][9]:.2f}**",
            "–",
            f"{half['tuned'][9]:.2f}",
        ],
        ["single weights, Fashion-MNIST at 80 % sparsity", fashion(0.8, "tfprune"), fashion(0.8, "tfmot"), "–"],
        [
            f"kinds of layers, models and trainings that it prunes, of {len(covered('tfprune'))}",
            f"**{covered('tfprune').count(True)}**",
            f"{covered('tfmot').count(True)}",
            "–",
        ],
        [
            "a .tflite file with 80 % zeros left out (dense: "
            f"{stored('tfprune', 0.0, 'as it is')['bytes'] / 1e3:.0f} kB)",
            f"**{stored('tfprune', 0.8, 'zeros left out')['bytes'] / 1e3:.0f} kB**",
            f"{stored('tfmot', 0.8, 'zeros left out')['bytes'] / 1e3:.0f} kB",
            "–",
        ],
        ["a training step with a mask update ÷ a plain one", f"**{step[0]:.2f}**", f"{step[1]:.2f}", "–"],
        [
            "a checkpoint in a training ÷ a plain one",
            *(f"{mean(checkpoints(library)):.2f}" for library in ("tfprune", "tfmot")),
            "–",
        ],
        [
            "budget of measured latency",
            f"yes: predicted to {typical:.1%} in the median, {worst:.1%} at worst of {count}",
            "no",
            "no",
        ],
        ["says beforehand whether a phone skips zeros, and where it computes wrong numbers", "yes", "no", "no"],
        ["what comes out", "a plain, smaller `.keras` and `.tflite`", "the same size, with zeros", "a changed module"],
    ]
    tfmot = result("step_time")["environment"]["versions"]["tensorflow-model-optimization"]
    torch = result("resnet_cifar10_torch_pruning")["torch_versions"]["torch-pruning"]
    table = markdown(["", "tfprune", f"TFMOT {tfmot}", f"Torch-Pruning {torch}"], rows)
    return (
        f"{table}\n\nA public ResNet-56 for CIFAR-10 with {result('resnet_cifar10')['tested']:,} test images "
        f"(± {certainty():.1f} points), and networks on Fashion-MNIST. Each figure is from a run of both on the same "
        "work; [every benchmark](docs/benchmarks.md) is on one page, with its command, its whole table and what it "
        "does not say."
    )


def covered(library: str) -> list[bool]:
    """Return for each network whether a library prunes it."""
    return ["error" not in one for one in result("coverage")["results"][library].values()]


@figures
def coverage() -> str:
    own, other = (result("coverage")["results"][library] for library in ("tfprune", "tfmot"))
    counts = [covered(library).count(True) for library in ("tfprune", "tfmot")]
    refused = [f"{name}" for name, one in other.items() if "error" in one]
    partly = [
        f"{name} ({one['zeros']:.0%})"
        for name, one in other.items()
        if "error" not in one and one["zeros"] < 0.9 * own[name].get("zeros", 0.0)
    ]
    return (
        f"Of {len(own)} small networks, each about a kind of layer, model or training, tfprune prunes {counts[0]} in "
        f"`fit` to half of their weights, TFMOT {counts[1]}. It refuses: {', '.join(refused)}; it leaves a part of the "
        f"kernels out of: {', '.join(partly)} (`python benchmarks/coverage.py`, "
        "[the whole table](docs/benchmarks.md#coverage))."
    )


def stored(library: str, sparsity: float, how: str) -> dict[str, Any]:
    """Return the sizes of a library's file."""
    return one(result("file_sizes")["results"][library], sparsity=sparsity, stored=how)


@figures
def file_sizes() -> str:
    rows = []
    for sparsity in (0.5, 0.8, 0.9):
        for how in ("as it is", "zeros left out", "8-bit weights"):
            own, other = stored("tfprune", sparsity, how), stored("tfmot", sparsity, how)
            cells = [f"{size / 1e3:.0f} kB" for size in (own["bytes"], own["gzip"], other["bytes"], other["gzip"])]
            rows.append([f"{sparsity:.0%}, {how}", *cells])
    headers = ["zeros, stored", "tfprune", "after gzip", "TFMOT", "after gzip"]
    return (
        f"A network of {stored('tfprune', 0.0, 'as it is')['parameters']:,} parameters, the same three layers pruned "
        "(`python benchmarks/file_sizes.py`):\n\n" + markdown(headers, rows)
    )
