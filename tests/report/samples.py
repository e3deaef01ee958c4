"""Reports to look at: one with everything in it, one of a network of many layers, and names as an enemy gives them."""

from __future__ import annotations

import numpy as np

from tfprune.report import Report
from tfprune.report.parts import Change, Channels, File, Front, Layer, Part, Point, Stage, Waterfall, Weights

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "</style></title></script><svg/onload=alert(1)>",
    "a\x00b\x1b[31m\u202ered\u2028line\ud800",
    "javascript:alert(1) &lt;b&gt; &amp;",
    "|`*pipe*`|\n# title\n```",
    "long " * 2000,
    "   ",
)


def report_of(count: int = 12, names=None, seed: int = 0) -> Report:
    """A report with all sections, of so many layers."""
    rng = np.random.default_rng(seed)
    names = list(names or [f"block_{n // 3}/conv_{n}" for n in range(count)])
    layers, channels = [], []
    for number, name in enumerate(names):
        size = 2 ** int(rng.integers(4, 11))
        keep = rng.random(size) < 0.5
        left = int(keep.sum())
        edges = np.flatnonzero(np.diff(np.concatenate([[not keep[0]], keep, [not keep[-1]]]).astype(int)))
        runs = np.diff(edges).tolist()
        runs = runs if keep[0] else [0, *runs]
        whole = number % 5 == 0
        layers.append(
            Layer(
                name, "Conv2D", 9 * size * 64, 9 * (size if whole else left) * 64, 9 * size * 4096, 9 * left * 4096,
                size, size if whole else left, int(rng.integers(0, 100)), 9 * left * 64, float(rng.random() / count),
                float(rng.random()), 1, "the network's output" if whole else "",
                float(rng.random()),
            )
        )  # fmt: skip
        channels.append(
            Channels(
                name,
                "filter",
                size,
                size if whole else left,
                (size,) if whole else tuple(runs),
                "kept" if whole else "",
            )
        )
    picture = tuple("".join(rng.choice(list(".0123456"), 56)) for _ in range(32))
    counts = tuple(int(x) for x in 1000 * np.exp(-(np.linspace(-3, 3, 48) ** 2)))
    weights = tuple(Weights(name, (3, 3, 64, 64), picture, 0.25, counts, counts[::-1], 0.5) for name in names[:6])
    points = [Point(float(x), float(1 / x), "front", f"point at {x:.2f}") for x in np.linspace(1.2, 2.2, 6)]
    points += [Point(1.6, 0.64, "trial"), Point(1.1, 0.92, "chosen"), Point(2.6, 0.3, "whole", names[0])]
    parts = tuple(Part(name, float(rng.random()), 0.01, 1.2) for name in names[:40])
    whole_ms = sum(part.ms for part in parts)
    return Report(
        title=names[0],
        source="compress",
        about=f"About {names[-1]}",
        headline=(
            Change("accuracy", "share", 0.912, 0.921, (0.906, 0.917), (0.915, 0.926), True, "on 10,000 samples"),
            Change("file", "bytes", 50_240.0, 395_112.0, note=names[0]),
            Change("latency", "ms", 0.0144, 0.0451, (0.0139, 0.0161), (0.0442, 0.0493)),
            Change("parameters", "count", 40_938.0, 98_778.0),
            Change("MACs", "count", 1_099_152.0, 1_994_240.0),
        ),
        metric="accuracy",
        stages=tuple(
            Stage(
                name,
                {"accuracy": 0.9 - 0.01 * n, "loss": 0.3, "parameters": 9e4 / (n + 1), "zeros": 10.0 * n},
                n != 1,
                2.5,
            )
            for n, name in enumerate(["dense", "prune", names[0], "export"])
        ),
        history={
            "accuracy": (0.5, 0.7, 0.8),
            "val_accuracy": (0.5, 0.6, 0.7),
            "sparsity": (None, 0.4, 0.5),
            names[0]: (1.0, None, 2.0),
        },
        epochs=("prune, epoch 1", "prune, epoch 2", f"{names[0]}, epoch 1"),
        front=Front("macs", "accuracy", True, tuple(points), 300, 1),
        layers=tuple(layers),
        criterion=names[0],
        channels=tuple(channels),
        weights=weights,
        waterfalls=(
            Waterfall("dense.tflite", whole_ms, parts, "CPU time"),
            Waterfall(names[0], whole_ms / 2, parts[:20]),
        ),
        files=(File(f"{names[0]}.tflite", 50_240, 0.91, 0.0144, 0.0451, 3.12, names[-1]),),
        recipe=f"name: {names[0]}\nstages: []\n",
        environment={"tfprune": "0.1.0", names[0]: names[-1]},
        command=f"tfprune report {names[0]}",
        date="2026-01-31",
        notes=(names[0], "A note."),
        mark="mark",
    )
