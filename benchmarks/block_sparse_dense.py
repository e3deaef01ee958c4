"""What zeros are worth in Dense layers on the interpreter: size and latency, for single weights and 1 × 4 blocks.

Three Dense layers of 1,024 with random weights are pruned in one shot and exported, with and without the sparse
encoding. All files are timed interleaved, one thread, each in a process of its own; a speed-up is the median ratio to
the dense file within rounds.

    python benchmarks/block_sparse_dense.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report

CASES = [
    ("dense", None, 0.0, False),
    ("single weights", "weight", 0.8, True),
    ("single weights", "weight", 0.9, True),
    ("1 × 4 blocks", (1, 4), 0.5, True),
    ("1 × 4 blocks", (1, 4), 0.7, True),
    ("1 × 4 blocks", (1, 4), 0.8, True),
    ("1 × 4 blocks", (1, 4), 0.9, True),
    ("1 × 4 blocks, dense encoding", (1, 4), 0.9, False),
]


def export(folder: Path, index: int, granularity: Any, sparsity: float, sparse: bool) -> Any:
    """Write the file of one case and return its export result."""
    import keras

    import tfprune

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(1024, activation="relu", name=f"dense_{i}") for i in range(3)]
    model = keras.Sequential([keras.Input((1024,)), *layers])
    if sparsity:
        tfprune.prune(model, sparsity, granularity=granularity, layers=layers)
    return tfprune.to_tflite(model, folder / f"{index}.tflite", quantize=None, sparse=sparse)


def main() -> None:
    arguments = make_parser(__doc__).parse_args()
    made = environment()
    import tfprune.benchmark

    with tempfile.TemporaryDirectory() as name:
        exports = [export(Path(name), index, *case[1:]) for index, case in enumerate(CASES)]
        timing = tfprune.benchmark.run([e.path for e in exports], min_seconds=0.2 if arguments.quick else 3.0)
    results = [
        {
            "what": what,
            "sparsity": sparsity,
            "sparse_encoding": sparse,
            "bytes": exported.bytes,
            "median_ms": result.latency.median_ms,
            "speedup": result.speedup.median if result.speedup else 1.0,
        }
        for (what, _, sparsity, sparse), exported, result in zip(CASES, exports, timing, strict=True)
    ]
    headers = ["zeros", "sparsity", "bytes", "median, ms", "speed-up"]
    rows = [
        [r["what"], f"{r['sparsity']:.0%}", f"{r['bytes']:,}", f"{r['median_ms']:.3f}", f"{r['speedup']:.2f}"]
        for r in results
    ]
    content = {"environment": made, "results": results}
    report(destination(arguments, "block_sparse_dense"), content, markdown(headers, rows))


if __name__ == "__main__":
    main()
