"""Removed filters: the time it takes, accuracy against multiply-accumulates, and latency."""

from __future__ import annotations

from statistics import mean, stdev

from blocks import figures, one, result
from common import markdown


def spread(values: list[float]) -> str:
    """Return mean and standard deviation."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}"


def percent(part: float, digits: int = 0) -> str:
    """Return a part of 1 in per cent, with a space before the sign as everywhere in the text."""
    return f"{100 * part:.{digits}f} %"


@figures
def time_to_cut() -> str:
    rows = [row for row in result("graph_scaling")["results"] if not row["name"].isdigit()]
    return markdown(
        ["network", "operations", "trace and groups, s", "shrink, s", "Keras builds it in, s"],
        [
            [
                row["name"],
                f"{row['operations']:,}",
                f"{row['trace_seconds']:.2f}",
                f"{row['shrink_seconds']:.1f}",
                f"{row['build_seconds']:.1f}",
            ]
            for row in rows
        ],
    )


@figures
def time_grows() -> str:
    rows = result("graph_scaling")["results"]
    short, long = (one(rows, name=str(blocks)) for blocks in (50, 800))
    times = [long[key] / short[key] for key in ("operations", "trace_seconds", "shrink_seconds")]
    return (
        f"It takes seconds, and time grows with the number of operations: {times[0]:.0f} times as many take "
        f"{times[1]:.0f} times as long to trace and {times[2]:.0f} times as long to cut "
        "(`python benchmarks/graph_scaling.py`):"
    )


@figures
def fashion_mnist_filters() -> str:
    content = result("fashion_mnist_filters")

    def cell(way: str, fraction: float) -> str:
        own = [r for r in content["results"] if (r["way"], r["fraction"]) == (way, fraction)]
        return spread([100 * r["accuracy"] for r in own])

    whole = one(content["results"], way="filters", fraction=1.0, seed=0)
    table = markdown(
        [
            "multiply-accumulates left", "filters, removed while training", "the same small network from scratch",
            "single weights (as fast only where zeros are skipped)",
        ],
        [
            [percent(fraction), *(cell(way, fraction) for way in ("filters", "scratch", "weights"))]
            for fraction in (0.5, 0.25, 0.1)
        ],
    )  # fmt: skip
    return (
        f"**Accuracy on Fashion-MNIST against multiply-accumulates**, {content['settings']['epochs']} epochs each, "
        "mean of three seeds ± standard deviation (`python benchmarks/fashion_mnist_filters.py`). The original network "
        f"has {whole['macs'] / 1e6:.2f} million and {cell('filters', 1.0)} %:\n\n{table}"
    )


@figures
def filter_latency() -> str:
    content = result("filter_latency")
    networks = list(dict.fromkeys(row["network"] for row in content["results"]))
    labels = list(dict.fromkeys(row["variant"] for row in content["results"] if row["variant"] != "whole"))
    rows = []
    for network in networks:
        cells = []
        for label in labels:
            row = one(content["results"], network=network, variant=label)
            cells.append(f"{row['speed_up']:.2f}× ({row['fewer_macs']:.2f}×)")
        rows.append([network, *cells])
    table = markdown(["faster (fewer multiply-accumulates)", *labels], rows)
    size = content["size"]
    return (
        f"**Latency** with the interpreter, float, {size} × {size}, one thread, interleaved; random weights "
        f"(`python benchmarks/filter_latency.py`):\n\n{table}"
    )


@figures
def oracle() -> str:
    networks = result("applications_oracle")["results"]
    worst = max(row["error"] for row in networks)
    return (
        f"The smaller model computes what the large one does when all that goes is zero: to {worst:.0e} in float64 "
        f"on all {len(networks)} networks of `keras.applications`, and to 1e-5 on thousands of random graphs and on "
        "models as people write them ([table](docs/benchmarks.md#applications_oracle), "
        "`python tests/graph/random_graphs.py --graphs 3000`). Where that can't be, as behind a layer normalisation, "
        'whose mean changes, the plan says "not exact".'
    )
