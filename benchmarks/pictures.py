"""Draw the pictures of README and docs from the JSON files that the benchmarks wrote, as SVG.

python benchmarks/pictures.py            # those whose values have changed
python benchmarks/pictures.py --all      # all of them: after a change of how they look
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import charts
import pictured
from blocks import load
from common import FOLDER, ROOT
from shown.peers import torch_pruning
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
            f"original: {whole():.2f}", (4.0, whole()), (0, 4), textcoords="offset points", ha="right", fontsize=9
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
        axes.set_title("ResNet-56 on CIFAR-10, before any training (tfprune: without labels)", loc="left", fontsize=11)
        axes.grid(alpha=0.25)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)


def drawn() -> dict[str, charts.Picture]:
    """Return the pictures of all benchmarks that have been run, by name."""
    load(pictured.__name__)
    return {
        name: make() for name, make in sorted(charts.PICTURES.items()) if (FOLDER / "results" / f"{name}.json").exists()
    }


def is_today(picture: charts.Picture, path: Path) -> bool:
    """Return whether a file shows these values."""
    return path.exists() and picture.digest() in path.read_text(encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true", help="draw those too whose values are the same")
    arguments = parser.parse_args()
    draw(IMAGES / "trade_off.svg")
    for name, picture in drawn().items():
        path = IMAGES / f"{name}.svg"
        if arguments.all or not is_today(picture, path):
            charts.draw(picture, path)
            print(f"Drew {path.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
