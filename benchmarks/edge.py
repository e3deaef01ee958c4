"""What zeros and fewer filters are worth on this machine, beside what was seen elsewhere.

MobileNet V1 and V2 in the form for which zeros can be skipped, at several sparsities, each stored dense and sparse, and
at several widths; VGG-16 at several widths. Random weights: accuracy is no subject. Files of one network are timed in
turn, one thread; a speed-up is the median ratio to the whole network within rounds.

    python benchmarks/edge.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SPARSITIES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95)
WIDTHS = (1.0, 0.5, 0.25)
ELSEWHERE = {
    ("mobilenet_v1", 0.5): 1.00, ("mobilenet_v1", 0.7): 2.1, ("mobilenet_v1", 0.8): 2.8, ("mobilenet_v1", 0.9): 4.6,
    ("mobilenet_v1", 0.95): 6.2,
    ("mobilenet_v2", 0.5): 1.00, ("mobilenet_v2", 0.7): 1.8, ("mobilenet_v2", 0.8): 2.25, ("mobilenet_v2", 0.9): 3.0,
    ("mobilenet_v2", 0.95): 3.7,
}  # fmt: skip
"""Speed-ups of such files on a Xeon whose AVX was hidden from the runtime, which then used 128-bit vectors as ARM has
(TensorFlow 2.21, ai-edge-litert 2.3.0, width 1.0, 160 × 160)."""


def sparsities(name: str, size: int, seconds: float, folder: Path) -> list[dict[str, Any]]:
    """Return size and latency of a MobileNet with zeros, stored dense and sparse."""
    import keras

    import tfprune
    from tfprune import lint

    rows = []
    for sparsity in SPARSITIES:
        keras.utils.set_random_seed(0)
        model = getattr(tfprune.models, name)((size, size, 3), 1000)
        if sparsity:
            layers = [layer for layer in model.layers if getattr(layer, "kernel_size", None) == (1, 1)]
            tfprune.prune(model, sparsity, layers=layers)
        for quantize, sparse in ((None, False), (None, True), ("float16", True)):
            if sparse and not sparsity:
                continue
            path = folder / f"{name}_{sparsity}_{quantize}_{sparse}.tflite"
            made = tfprune.to_tflite(model, path, quantize=quantize, sparse=sparse, verify=False)
            rows.append({
                "network": name, "sparsity": sparsity, "stored": f"{quantize or 'float32'}{', sparse' * sparse}",
                "bytes": made.bytes, "gzip_bytes": made.gzip_bytes, "path": path,
                "lint": lint(path).engages, "elsewhere": ELSEWHERE.get((name, sparsity)) if sparse else None,
            })  # fmt: skip
    return timed(rows, seconds)


def widths(name: str, size: int, seconds: float, folder: Path) -> list[dict[str, Any]]:
    """Return cost, size and latency of a network at several widths, in float and in whole numbers."""
    import keras
    import numpy as np

    import tfprune
    from tfprune.cost import CostModel
    from tfprune.graph import trace

    images = np.random.default_rng(0).random((16, size, size, 3)).astype("float32")
    rows: dict[str | None, list[dict[str, Any]]] = {None: [], "int8": []}
    for width in WIDTHS:
        keras.utils.set_random_seed(0)
        mobile = getattr(tfprune.models, name, None)
        model = vgg16(size, width) if mobile is None else mobile((size, size, 3), 10, alpha=width)
        cost = CostModel(trace(model)).whole
        for quantize, own in rows.items():
            path = folder / f"{name}_{width}_{quantize}.tflite"
            made = tfprune.to_tflite(model, path, quantize=quantize, representative_data=images, verify=False)
            own.append({
                "network": name, "width": width, "stored": quantize or "float32", "macs": cost.macs,
                "bytes": made.bytes, "gzip_bytes": made.gzip_bytes, "path": path,
            })  # fmt: skip
    return [row for own in rows.values() for row in timed(own, seconds)]


def vgg16(size: int, width: float) -> Any:
    """Return a VGG-16 for small images: its convolutions, and one Dense layer."""
    import keras
    from keras import layers

    x = inputs = keras.Input((size, size, 3))
    for filters, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(times):
            x = layers.Conv2D(int(filters * width), 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(x)))


def timed(rows: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """Return rows with the latency of their files, which take turns; the first is what others are compared with."""
    import tfprune.benchmark

    found = tfprune.benchmark.run([row["path"] for row in rows], min_seconds=seconds)
    for row, result in zip(rows, found, strict=True):
        row.pop("path")
        row["median_ms"], row["cpu_min_ms"] = result.latency.median_ms, result.latency.cpu_min_ms
        row["speed_up"] = result.speedup.median if result.speedup else 1.0
    return rows


def tables(content: dict[str, Any]) -> str:
    """Return all as Markdown."""
    zeros = [
        [
            f"{r['network']}, {r['sparsity']:.0%}", r["stored"], f"{r['bytes']:,}", f"{r['gzip_bytes']:,}",
            f"{r['median_ms']:.2f}", f"{r['speed_up']:.2f}×", "yes" if r["lint"] else "no",
            f"{r['elsewhere']:.2f}×" if r["elsewhere"] else "",
        ]
        for r in content["zeros"]
    ]  # fmt: skip
    headers = ["zeros of 1 × 1 convolutions", "stored", "bytes", "gzip", "ms", "here", "skipped on ARM (lint)"]
    parts = [markdown([*headers, "128-bit vectors, elsewhere"], zeros)]
    whole = {(r["network"], r["stored"]): r["macs"] for r in content["widths"] if r["width"] == 1.0}
    rows = [
        [
            f"{r['network']}, width {r['width']:g}", r["stored"], f"{r['bytes']:,}", f"{r['gzip_bytes']:,}",
            f"{r['median_ms']:.3f}", f"{whole[r['network'], r['stored']] / r['macs']:.1f}×", f"{r['speed_up']:.1f}×",
        ]
        for r in content["widths"]
    ]  # fmt: skip
    parts.append(markdown(["fewer filters", "stored", "bytes", "gzip", "ms", "fewer MACs", "faster"], rows))
    return "\n\n".join(parts)


def main() -> None:
    arguments = make_parser(__doc__).parse_args()
    path = destination(arguments, "edge")
    content: dict[str, Any] = {"environment": environment(), "zeros": [], "widths": []}
    seconds = 0.2 if arguments.quick else 2.0
    with tempfile.TemporaryDirectory() as name:
        for network in ("mobilenet_v1",) if arguments.quick else ("mobilenet_v1", "mobilenet_v2"):
            content["zeros"] += sparsities(network, 64 if arguments.quick else 160, seconds, Path(name))
            write_json(path, content)
        sizes = {"mobilenet_v1": 96, "mobilenet_v2": 96, "vgg16": 32}
        for network, size in list(sizes.items())[:1] if arguments.quick else sizes.items():
            content["widths"] += widths(network, size, seconds, Path(name))
            write_json(path, content)
    report(path, content, tables(content) + "\n\nOne thread. Blocks of zeros in Dense layers: block_sparse_dense.md.")


if __name__ == "__main__":
    main()
