"""Networks made smaller with images that have no labels: ResNet-56, by ratio and method."""

from __future__ import annotations

from statistics import mean
from typing import Any

from blocks import figures, one, result
from common import markdown

FACTORS = "layers factorised, mixed forms"
FILTERS = "obs, greedy"
SMALLEST = "L1, same part of each group"
RATIOS = (1.5, 2.1, 2.57, 4.0)
MIRRORED = ", images and their mirrored copies"
FEW, MANY = 16, 2048
"""Images at which it is told what their mirrored copies add."""


def resnet56(method: str, ratio: float) -> dict[str, Any]:
    """Return one result of ResNet-56."""
    return one(result("resnet_cifar10")["results"], network="resnet56_cifar10", method=method, wanted=ratio, seed=0)


def whole() -> float:
    """Return the accuracy of the original ResNet-56, in per cent."""
    return float(result("resnet_cifar10")["dense"]["resnet56_cifar10"])


def certainty() -> float:
    """Return how many points its accuracies may be off, with a probability of 95 %, as test images are so many."""
    right = whole() / 100
    return float(196 * (right * (1 - right) / result("resnet_cifar10")["tested"]) ** 0.5)


@figures
def resnet56_by_ratio() -> str:
    rows = []
    for ratio in RATIOS:
        factors, filters, smallest = (resnet56(method, ratio) for method in (FACTORS, FILTERS, SMALLEST))
        best = max(factors["refitted"], filters["refitted"])
        values = (factors["refitted"], filters["refitted"], filters["cut"], smallest["refitted"], smallest["cut"])
        cells = [f"**{value:.2f}**" if value == best else f"{value:.2f}" for value in values]
        rows.append([f"{ratio:g}×", *cells])
    content = result("resnet_cifar10")
    table = markdown(
        [
            "fewer multiply-accumulates", "layers factorised", "filters removed", "not refitted",
            "smallest filters (L1), refitted", "smallest filters (L1)",
        ],
        rows,
    )  # fmt: skip
    return (
        f"A public ResNet-56 for CIFAR-10 ({whole():.2f} % before), {content['samples']:,} images without labels, no "
        f"training; top-1 in per cent of {tested()} (`python benchmarks/resnet_cifar10.py --data-dir …`):\n\n{table}"
        f"\n\nBold is the highest of a row. One seed: differences below {certainty():.1f} points may be chance."
    )


def tested() -> str:
    """Return how many test images there are of CIFAR-10, with a link to what they are."""
    return f"[{result('resnet_cifar10')['tested']:,} test images](docs/benchmarks.md#data)"


@figures
def resnet56_fine_tuned() -> str:
    methods = {
        "layers factorised": FACTORS,
        "the Jacobian by measured error": "Jacobian, greedy by measured error",
        "the default for filters": FILTERS,
        "the smallest filters (L1) with the same part of each group": SMALLEST,
    }
    told = []
    for text, method in methods.items():
        values = [resnet56(method, ratio)["tuned"][9] for ratio in (2.1, 2.57)]
        told.append(f"{text} {values[0]:.2f} and {values[1]:.2f}")
    first = resnet56(FACTORS, 2.1)
    lost = first["refitted"] - first["tuned"][9]
    return (
        "Trained for ten epochs on 4,000 images with labels, each from where its refit had left it, at 2.1× and 2.57×: "
        f"{', '.join(told)}. So few labels help those most that have lost most; the network that had lost least ended "
        f"{lost:.1f} points lower, which is within what chance may do. {control()}\n\nTaught by the original instead, "
        f"on the same images without labels, at 2.57× and 4×: {' and '.join(map(taught, (FACTORS, FILTERS)))}. "
        "`tfprune.Distiller(small, model)` needs no labels (`python benchmarks/resnet_cifar10.py --data-dir … --epochs "
        "10`, and the same with `--teach`)."
    )


def control() -> str:
    """Return what the same training does to the original."""
    after = result("resnet_cifar10")["original"]["resnet56_cifar10"]["tuned"][9]
    return f"Trained likewise, the original itself goes from {whole():.2f} to {after:.2f}."


def taught(method: str) -> str:
    """Return what a method reaches when the original teaches, and with labels."""
    rows = [resnet56(method, ratio) for ratio in (2.57, 4.0)]
    values = [" and ".join(f"{row[key][9]:.2f}" for row in rows) for key in ("taught", "tuned")]
    name = {FACTORS: "layers factorised", FILTERS: "filters removed"}[method]
    return f"{name} {values[0]} (with labels {values[1]})"


@figures
def refit_cost() -> str:
    rows = result("refit_cost")["results"]
    resnet, mobilenet = (one(rows, name=name) for name in ("resnet56_cifar10", "MobileNetV2"))
    times = [row["plan_seconds"] + row["refit_seconds"] for row in (resnet, mobilenet)]
    return (
        f"Filters take {times[0]:.0f} s with 512 images for this network, and {times[1]:.0f} s and "
        f"{mobilenet['memory'] / 1000:.1f} GB at most for MobileNetV2 with 512 images of 224 × 224, on one core "
        "(`python benchmarks/refit_cost.py --data-dir …`)."
    )


@figures
def image_count() -> str:
    content = result("image_count")
    counts = sorted({row["count"] for row in content["results"]})
    titles = {"resnet20_cifar10": "ResNet-20", "fashion_cnn": "Fashion-MNIST"}
    rows = []
    for network in (name for name in titles if name in content["dense"]):
        for method in dict.fromkeys(row["method"] for row in content["results"]):
            cells = []
            for count in counts:
                wanted = (network, method, count)
                own = [row for row in content["results"] if (row["network"], row["method"], row["count"]) == wanted]
                cells.append(f"{mean(row['accuracy'] for row in own):.1f}")
            rows.append([f"{titles[network]} ({content['dense'][network]:.1f} before), {method}", *cells])
    return (
        "Half of the multiply-accumulates, without labels or training: accuracy by how many images were looked at, "
        "mean of three random choices of them (`python benchmarks/image_count.py --data-dir …`):\n\n"
        f"{markdown(['images', *map(str, counts)], rows)}\n\n{mirrored(content['results'])}"
    )


def mirrored(results: list[dict[str, Any]]) -> str:
    """Return what mirrored copies of images are worth: how many points, and how many images."""
    found: dict[tuple[str, int], list[float]] = {}
    for row in results:
        if row["network"] == "resnet20_cifar10":
            found.setdefault((row["method"], row["count"]), []).append(row["accuracy"])
    told = []
    for method in ("layers factorised", "filters removed"):
        (few, better), (many, best) = (
            (mean(found[method, count]), mean(found[method + MIRRORED, count])) for count in (FEW, MANY)
        )
        told.append(
            f"{method}, from {few:.1f} to {better:.1f} % with {FEW} images, from {many:.1f} to {best:.1f} with {MANY:,}"
        )
    return (
        "Where a mirrored image is still one, give it too: `np.concatenate([images, images[:, :, ::-1]])` brings "
        f"ResNet-20 with {'; with '.join(told)}."
    )
