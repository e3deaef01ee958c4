"""Pictures of what accuracy is left: against multiply-accumulates, latency, bytes, zeros, images."""

from __future__ import annotations

from statistics import mean
from typing import Any

from blocks import result
from charts import Bars, Dots, Lines, Picture, picture
from shown.programmable import NETWORKS as TAUGHT
from shown.programmable import PARTS, accuracies, methods

TITLES = {"resnet56_cifar10": "ResNet-56", "resnet20_cifar10": "ResNet-20", "fashion_cnn": "Fashion-MNIST"}
ACCURACY = "top-1 accuracy, %"


def means(rows: list[dict[str, Any]], x: str, y: str, scale: float = 1.0) -> list[tuple[float, float]]:
    """Return for each value of `x` the mean of `y` over all rows that have it."""
    return [(value, scale * mean(r[y] for r in rows if r[x] == value)) for value in sorted({r[x] for r in rows})]


@picture
def resnet_cifar10() -> Picture:
    content = result("resnet_cifar10")
    ratios = (2.1, 2.57)
    panels, order = [], []
    for network, whole in content["dense"].items():
        rows: dict[str, dict[str, float]] = {}
        for row in content["results"]:
            if row["network"] == network and row["wanted"] in ratios and row["seed"] == 0:
                name = row["method"].replace("mixed forms", "a form for each")
                rows.setdefault(name, {})[f"{row['wanted']:g}× fewer MACs"] = row["refitted"]
        order = order or sorted(rows, key=lambda name: -sum(rows[name].values()))
        panels.append(Bars(TITLES[network], "top-1, %", {name: rows[name] for name in order}, whole, 1))
    return Picture("How channels are chosen, refitted without labels; dashed: the original network", tuple(panels))


@picture
def image_count() -> Picture:
    content = result("image_count")
    panels = []
    for network, whole in content["dense"].items():
        own = [row for row in content["results"] if row["network"] == network]
        curves = {
            method: means([row for row in own if row["method"] == method], "count", "accuracy")
            for method in dict.fromkeys(row["method"] for row in own)
        }
        panels.append(Lines(TITLES[network], "images without labels", ACCURACY, curves, whole, doubling=True))
    return Picture("Half of the multiply-accumulates, by how many images were looked at", tuple(panels))


@picture
def vgg16() -> Picture:
    return shrunk("vgg16")


@picture
def vgg16_fashion_mnist() -> Picture:
    return shrunk("vgg16_fashion_mnist")


def shrunk(name: str) -> Picture:
    """Return what is left of a VGG-16's accuracy, and how much faster it is, by how much of it has gone."""
    content = result(name)
    rows = content["rows"]
    whole = rows[0]
    smaller = [row | {"removed": 100 * (1 - row["parameters"] / whole["parameters"])} for row in rows]
    refitted = {step["name"]: step["refitted"] for step in content["steps"]}
    accurate: dict[str, list[tuple[float, float]]] = {}
    faster: dict[str, list[tuple[float, float]]] = {}
    for row in smaller:
        accurate.setdefault(row["stored"], []).append((row["removed"], row["accuracy"]))
        faster.setdefault(row["stored"], []).append((row["removed"], row["speed_up"]))
        if row["stored"] == "float32" and row["network"] in refitted:
            accurate.setdefault("float32, refitted only", []).append((row["removed"], refitted[row["network"]]))
    removed = "parameters removed, %"
    return Picture(
        f"VGG-16 on {content['data']}",
        (
            Lines("Accuracy", removed, ACCURACY, accurate, whole["accuracy"]),
            Lines("Time", removed, "times as fast", faster),
        ),
    )


@picture
def factorization() -> Picture:
    content = result("factorization")
    shown = ("mixed", "filters, then mixed", "spatial", "filters")
    panels = []
    for network, whole in content["dense"].items():
        own = [row for row in content["results"] if row["network"] == network and "reason" not in row]
        curves = {
            method: [(r["latency"], r["accuracy"]) for r in own if r["method"] == method and r["bound"] == "latency"]
            for method in shown
        }
        drawn = {method: points for method, points in curves.items() if points}
        panels.append(Lines(TITLES[network], "latency left, measured", ACCURACY, drawn, whole))
    return Picture("Cut to a part of the latency, without labels or training", tuple(panels))


@picture
def fashion_mnist_filters() -> Picture:
    rows = result("fashion_mnist_filters")["results"]
    names = {"filters": "filters removed", "scratch": "from scratch", "weights": "single weights"}
    curves = {
        name: means([r for r in rows if r["way"] == way], "fraction", "accuracy", 100.0) for way, name in names.items()
    }
    panel = Lines("six epochs", "multiply-accumulates left", ACCURACY, curves)
    return Picture("Fashion-MNIST: filters, single weights, small networks", (panel,))


@picture
def fashion_mnist_vs_tfmot() -> Picture:
    rows = result("fashion_mnist_vs_tfmot")["results"]
    names = {"tfprune": "tfprune", "tfmot": "TFMOT"}
    sparsities = sorted({row["sparsity"] for row in rows})
    values = tuple(
        {
            f"{name}, {sparsity:.0%}": [
                100 * row["accuracy"] for row in rows if (row["library"], row["sparsity"]) == (library, sparsity)
            ]
            for sparsity in sparsities
        }
        for library, name in names.items()
    )
    return Picture(
        "Zeros in the three layers: mean and spread of three seeds", (Dots("Fashion-MNIST", ACCURACY, values),)
    )


@picture
def quantize_aware() -> Picture:
    rows = result("quantize_aware")["results"]
    ways = {
        "float32": "float32", "int8_after": "int8, afterwards", "int8_aware": "int8, trained for it",
        "bits4_after": "4 bits, afterwards", "bits4_aware": "4 bits, trained for it",
    }  # fmt: skip
    panels = tuple(
        Dots(
            f"{network} convolutions",
            ACCURACY,
            ({name: [100 * row[way] for row in rows if row["network"] == network] for way, name in ways.items()},),
        )
        for network in dict.fromkeys(row["network"] for row in rows)
    )
    return Picture("Pruned to 80 %, then stored in fewer bits: mean and spread of three seeds", panels)


@picture
def zeros_or_filters() -> Picture:
    rows = [row for row in result("zeros_or_filters")["rows"] if row["stored"] == "float32"]
    speeds = {row["sparsity"]: row["elsewhere"] for row in rows if row["kind"] == "zeros"}
    curves = {
        kind: [(speeds[row["sparsity"]], row["accuracy"]) for row in rows if row["kind"] == kind]
        for kind in ("filters", "zeros")
    }
    whole = next(row["accuracy"] for row in rows if row["kind"] == "whole")
    panel = Lines("blocks of MobileNet V2, CIFAR-10 (JPEG)", "times as fast", ACCURACY, curves, whole)
    return Picture("Zeros and fewer filters at equal latency", (panel,))


@picture
def keyword_spotting() -> Picture:
    rows = result("keyword_spotting")["results"]
    names = {
        "taught as long": "taught, 25 epochs", "taught": "taught, 8 epochs", "no labels": "without labels",
        "drawn anew": "drawn anew, 25 epochs",
    }  # fmt: skip
    budgets = sorted({row["budget"] for row in rows} - {0})
    flash = {budget: mean(r["flash"] for r in rows if r["budget"] == budget) / 1000 for budget in budgets}
    curves = {
        name: [
            (flash[budget], mean(r["accuracy"] for r in rows if (r["way"], r["budget"]) == (way, budget)))
            for budget in budgets
        ]
        for way, name in names.items()
    }
    whole = mean(row["accuracy"] for row in rows if row["way"] == "whole")
    panel = Lines("DS-CNN, int8", "kB of flash", ACCURACY, curves, whole)
    return Picture("Ten words on a microcontroller", (panel,))


@picture
def programmable_training() -> Picture:
    whole = result("programmable_training")["dense"]
    panels = tuple(
        Dots(
            f"{title},\n{part:.0%} of the MACs",
            ACCURACY,
            tuple(
                {method: accuracies(network, kind, method, part) for method in methods(kind)}
                for kind in ("teacher", "cut")
            ),
            whole[network],
        )
        for network, title in TAUGHT.items()
        for part in PARTS
    )
    return Picture(
        "Cut and taught (green), and cut while training (blue): mean and standard deviation of three seeds", panels
    )


@picture
def criteria() -> Picture:
    panels = []
    for network, content in result("criteria")["networks"].items():
        found = sorted(content["criteria"].items(), key=lambda item: -item[1]["within"])
        rows = {name: {"within groups": values["within"]} for name, values in found}
        panels.append(Bars(network, "rank correlation within groups", rows))
    return Picture("How well criteria rank what removal does to the loss", tuple(panels))


@picture
def structured_dense() -> Picture:
    rows = {
        row["what"]: {"this structure": row["error"], "low rank of that size": row["low_rank"]}
        for row in result("structured_dense")["results"]
    }
    return Picture("Monarch and Kronecker against low rank", (Bars("a trained Dense layer", "relative error", rows),))


@picture
def search() -> Picture:
    fronts = result("search")["fronts"]
    panels = []
    for network in dict.fromkeys(row["network"] for row in fronts):
        own = [row for row in fronts if row["network"] == network]
        volumes = {
            name: mean(row["volumes"]["100"] for row in own if row["strategy"] == name)
            for name in dict.fromkeys(row["strategy"] for row in own)
        }
        rows = {name: {"volume": volumes[name]} for name in sorted(volumes, key=lambda name: -volumes[name])}
        panels.append(Bars(TITLES[network], "volume enclosed after 100 plans", rows))
    return Picture("Fronts of error and latency, by strategy", tuple(panels))


@picture
def int8_latency() -> Picture:
    found = [row for row in result("int8_latency")["results"] if "failed" not in row]
    panels = []
    for network in ("resnet20_cifar10", "resnet56_cifar10"):
        rows = {
            f"{row['method']}, {row['bound']}": {
                "latency left, %": 100 * row["left"], "top-1, %": row["accuracy"],
            }
            for row in found
            if row["network"] == network
        }  # fmt: skip
        panels.append(Bars(f"{TITLES[network]}, int8", "%", rows, digits=1))
    return Picture("int8 files after cuts by different budgets, without labels or training", tuple(panels))
