"""Draw the pictures of README and docs from the JSON files that the benchmarks wrote, as SVG.

python benchmarks/pictures.py
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import dots
from figures import FOLDER, ROOT, result
from shown.peers import torch_pruning
from shown.programmable import NETWORKS, PARTS, accuracies, methods
from shown.without_labels import FACTORS, FILTERS, RATIOS, SMALLEST, resnet56, whole

IMAGES = ROOT / "docs" / "images"


def trade_off() -> dict[str, list[tuple[float, float]]]:
    """Return the curves of the picture: reached ratio and accuracy, by method."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for name, method in (("tfprune, layers factorised", FACTORS), ("tfprune, filters removed", FILTERS)):
        curves[name] = [(row["ratio"], row["refitted"]) for row in (resnet56(method, ratio) for ratio in RATIOS)]
    best = [torch_pruning(ratio) for ratio in RATIOS]
    curves["Torch-Pruning, the best of its settings"] = [(row["ratio"], row["accuracy"]) for row in best]
    curves["smallest filters (L1), no refit"] = [
        (row["ratio"], row["cut"]) for row in (resnet56(SMALLEST, ratio) for ratio in RATIOS)
    ]
    return curves


def draw(path: Path) -> None:
    """Draw accuracy against how many times fewer multiply-accumulates there are, each point with its value."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tfprune", "font.family": "sans-serif"}
    styles = (("#0b6e4f", 7, 2), ("#2a9d8f", -14, -9), ("#d1495b", 4, 1), ("#8d99ae", -14, -9))
    with pyplot.rc_context(settings):
        figure, axes = pyplot.subplots(figsize=(8.4, 4.2))
        axes.axhline(whole(), color="#444444", linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            f"whole: {whole():.2f}", (4.0, whole()), (0, 4), textcoords="offset points", ha="right", fontsize=9
        )
        for (name, points), (colour, values, label) in zip(trade_off().items(), styles, strict=True):
            mine = name.startswith("tfprune")
            axes.plot(
                *zip(*points, strict=True), marker="o", markersize=5, linewidth=2.6 if mine else 1.6, color=colour
            )
            for x, y in points[1:-1] if mine else points[:-1]:
                place = (16 if values == 4 else 0, values)
                style = {"ha": "center", "fontsize": 9, "color": colour}
                axes.annotate(f"{y:.1f}", (x, y), place, textcoords="offset points", **style)
            x, y = points[-1]
            axes.annotate(
                f"{y:.1f}  {name}",
                (x, y),
                (9, label),
                textcoords="offset points",
                color=colour,
                fontsize=10,
                weight="bold",
            )
        axes.set_xlim(1.4, 4.05)
        axes.set_ylim(0, 100)
        axes.set_xlabel("times fewer multiply-accumulates")
        axes.set_ylabel("top-1 accuracy, %")
        axes.set_title("ResNet-56 on CIFAR-10, made smaller without labels or training", loc="left", fontsize=11)
        axes.grid(alpha=0.25)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)


def taught_and_cut() -> list[dots.Panel]:
    """Return the columns of the picture of teachers and of what chooses channels."""
    whole = result("programmable_training")["dense"]
    return [
        dots.Panel(
            f"{title},\n{part:.0%} of the MACs",
            whole[network],
            tuple(
                {method: accuracies(network, kind, method, part) for method in methods(kind)}
                for kind in ("teacher", "cut")
            ),
        )
        for network, title in NETWORKS.items()
        for part in PARTS
    ]


def main() -> None:
    draw(IMAGES / "trade_off.svg")
    dots.draw(
        IMAGES / "programmable_training.svg",
        "Cut and taught (green), and cut while training (blue): mean and standard deviation of three seeds",
        taught_and_cut(),
        "top-1 accuracy, %; the dashed line is the whole network",
    )
    shutil.copy(FOLDER / "results" / "resnet_cifar10.png", IMAGES / "resnet_cifar10.png")
    print(f"Drew trade_off.svg and copied resnet_cifar10.png to {IMAGES.relative_to(ROOT)}/.")


if __name__ == "__main__":
    main()
