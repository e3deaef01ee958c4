"""tfprune beside its peers: the same networks and images, and what is not alike is said."""

from __future__ import annotations

from statistics import mean
from typing import Any

from blocks import figures, one, result
from common import markdown

from shown.factors import prediction
from shown.filters import percent
from shown.training import checkpoints, fashion, gain
from shown.without_labels import FACTORS, FILTERS, RATIOS, certainty, resnet56, tested, whole


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
        ours, theirs = (resnet56(method, ratio) for method in (FACTORS, FILTERS)), torch_pruning(ratio)
        factors, filters = ours
        cells = [factors["refitted"], filters["refitted"], theirs["accuracy"]]
        cells += [after(one) for one in (factors, filters, theirs)]
        rows.append([f"{ratio:g}×", *("" if value is None else f"{value:.2f}" for value in cells)])
    headers = ["fewer multiply-accumulates", "tfprune, factors", "tfprune, filters", "Torch-Pruning, best setting",
               "factors, ten epochs", "filters, ten epochs", "Torch-Pruning, ten epochs"]  # fmt: skip
    return (
        f"{markdown(headers, rows)}\n\nPer cent of {tested()}, {whole():.2f} before; the first three columns before "
        "any "
        f"training, the last three after ten epochs on 4,000 images with labels. {conditions()} Where a cell is empty "
        "nothing was measured (`python benchmarks/resnet_cifar10.py`, `resnet_cifar10_torch_pruning.py`, [all "
        "settings](docs/benchmarks.md#resnet_cifar10_torch_pruning))."
    )


def after(row: dict[str, Any]) -> float | None:
    """Return the accuracy after ten epochs with labels, if that was measured."""
    tuned = row.get("tuned") or []
    return float(tuned[9]) if len(tuned) >= 10 else None


def conditions() -> str:
    """Return what is not alike in the two runs of ResNet-56."""
    labelled = result("resnet_cifar10_torch_pruning")["samples"]
    return (
        f"tfprune refits what is left, on {result('resnet_cifar10')['samples']:,} images without labels. Torch-Pruning "
        "removes filters and has no refit: it is meant to be followed by training. Of its settings, some of which use "
        f"the labels of {labelled:,} images, that one is shown which is best on the test images."
    )


def clear(own: float, other: float) -> list[str]:
    """Return two accuracies; the first is bold if it is ahead by more than chance may do to both."""
    ahead = own - other > 2 * certainty()
    return [f"**{own:.2f}**" if ahead else f"{own:.2f}", f"{other:.2f}"]


def filters_removed(ratio: float) -> list[list[str]]:
    """Return two rows, filters removed by tfprune and Torch-Pruning: before any training, and after ten epochs."""
    own, other = resnet56(FILTERS, ratio), torch_pruning(ratio)
    tuned = after(own), after(other)
    if tuned[0] is None or tuned[1] is None:
        raise LookupError(f"ResNet-56 was not fine-tuned at {ratio}: the table has a row of it")
    name = f"ResNet-56 ({whole():.2f} before), {ratio:g}× fewer MACs, filters removed: before any training"
    first, then = clear(own["refitted"], other["accuracy"]), clear(tuned[0], tuned[1])
    return [
        [name, first[0], "–", first[1]],
        ["the same, after ten epochs on 4,000 images with labels", then[0], "–", then[1]],
    ]


def factorised() -> list[str]:
    """Return a row: layers factorised, before any training and after it."""
    row = resnet56(FACTORS, 2.1)
    return [
        f"ResNet-56, {row['wanted']:g}× fewer MACs, layers factorised: before any training, after ten epochs",
        f"{row['refitted']:.2f}, {after(row):.2f}",
        "–",
        "–",
    ]


def kinds() -> list[str]:
    """Return a row: what can be pruned while it trains."""
    own, other = covered("tfprune"), covered("tfmot")
    name = f"kinds of layers, models and trainings in which weights can be pruned, of {len(own)}"
    return [name, f"**{own.count(True)}**", f"{other.count(True)}", "–"]


def features() -> list[list[str]]:
    """Return the rows that are not of accuracies: what each can do, and what comes out."""
    count, typical, worst = prediction()
    told = f"yes: predicted to {percent(typical, 1)} in the median, {percent(worst, 1)} at worst of {count}"
    return [
        ["budget of measured latency", told, "no", "no"],
        ["says beforehand whether a phone skips zeros, and where it computes wrong numbers", "yes", "no", "no"],
        ["what comes out", "a plain, smaller `.keras` and `.tflite`", "the same size, with zeros", "a changed module"],
    ]


WORKS_WITH = ["works with", "Keras 3", "Keras 2 (`tf_keras`)", "PyTorch"]


def versions() -> list[str]:
    """Return the headers of a table of the three."""
    tfmot = result("step_time")["environment"]["versions"]["tensorflow-model-optimization"]
    torch = result("resnet_cifar10_torch_pruning")["torch_versions"]["torch-pruning"]
    return ["", "tfprune", f"TFMOT {tfmot}", f"Torch-Pruning {torch}"]


@figures
def peers() -> str:
    rows = [WORKS_WITH, *filters_removed(2.1), factorised(), kinds(), *features()]
    return (
        f"{markdown(versions(), rows)}\n\nPer cent of {tested()}. Bold is what is ahead by more than chance may do. "
        f"{conditions()} [All that was compared](docs/compared.md), and [every benchmark](docs/benchmarks.md) with its "
        "command and what it does not say."
    )


@figures
def compared() -> str:
    usual, every = gain(100), gain(1)
    rows = [
        WORKS_WITH,
        *filters_removed(2.1),
        factorised(),
        *filters_removed(2.57),
        ["single weights, Fashion-MNIST at 80 % sparsity", fashion(0.8, "tfprune"), fashion(0.8, "tfmot"), "–"],
        kinds(),
        [
            "a .tflite file with 80 % zeros left out "
            f"({stored('tfprune', 0.0, 'as it is')['bytes'] / 1e3:.0f} kB with all weights, in float32)",
            f"{stored('tfprune', 0.8, 'zeros left out')['bytes'] / 1e3:.0f} kB in float16, its default",
            f"{stored('tfmot', 0.8, 'zeros left out')['bytes'] / 1e3:.0f} kB in float32",
            "–",
        ],
        ["a training step ÷ a plain one, masks updated every 100 steps", f"{usual[0]:.2f}", f"{usual[1]:.2f}", "–"],
        ["the same, masks updated at every step", f"{every[0]:.2f}", f"{every[1]:.2f}", "–"],
        [
            "a checkpoint in a training ÷ a plain one",
            *(f"{mean(checkpoints(library)):.2f}" for library in ("tfprune", "tfmot")),
            "–",
        ],
        *features(),
    ]
    return (
        f"{markdown(versions(), rows)}\n\nAccuracies of ResNet-56 are per cent of {tested()}; the ten epochs are on "
        "4,000 "
        f"images with labels. Bold is what is ahead by more than chance may do. {conditions()}"
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
        f"{name} ({percent(one['zeros'])})"
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


def sparse_float32() -> float:
    """Return the size of a float32 file whose zeros, 80 %, are left out, in parts of the dense one's."""
    rows = result("block_sparse_dense")["results"]
    whole = one(rows, what="dense")["bytes"]
    return float(one(rows, what="single weights", sparsity=0.8)["bytes"] / whole)


@figures
def file_sizes() -> str:
    rows = []
    for sparsity in (0.5, 0.8, 0.9):
        for how in ("as it is", "zeros left out", "8-bit weights"):
            own, other = stored("tfprune", sparsity, how), stored("tfmot", sparsity, how)
            cells = [f"{size / 1e3:.0f} kB" for size in (own["bytes"], own["gzip"], other["bytes"], other["gzip"])]
            told = "zeros left out (tfprune float16, TFMOT float32)" if how == "zeros left out" else how
            rows.append([f"{percent(sparsity)}, {told}", *cells])
    headers = ["zeros, stored", "tfprune", "after gzip", "TFMOT", "after gzip"]
    return (
        f"A network of {stored('tfprune', 0.0, 'as it is')['parameters']:,} parameters, the same three layers pruned "
        "(`python benchmarks/file_sizes.py`). Where zeros are left out tfprune stores float16 unless told otherwise, "
        "TFMOT float32. In float32 tfprune's are about as large as TFMOT's: "
        f"{percent(sparse_float32())} of the dense file with 80 % single zeros in three Dense layers "
        "([table](docs/benchmarks.md#block_sparse_dense)).\n\n" + markdown(headers, rows)
    )
