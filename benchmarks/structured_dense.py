"""Do Monarch matrices or sums of Kronecker products come nearer to a trained Dense layer than low rank, of equal size?

Relative squared errors of the best approximations of a layer trained on Fashion-MNIST (576 inputs, 128 outputs), by the
weights alone. A Monarch matrix (Dao et al., "Monarch: Expressive Structured Matrices", 2022) has no order of inputs and
outputs to go by; the best of several random ones is taken.

    python benchmarks/structured_dense.py
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from common import destination, environment, make_parser, markdown, report
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Array = NDArray[Any]

MONARCH = ((24, 8), (12, 16), (24, 16), (48, 16), (8, 32), (24, 32))
KRONECKER = ((24, 16, 8), (24, 16, 16), (24, 8, 16), (48, 16, 8), (48, 16, 16))


def monarch(matrix: Array, blocks: int, middle: int) -> tuple[float, int]:
    """Return the relative error of the nearest Monarch matrix, and its number of weights.

    It is block-diagonal (`blocks` blocks of inputs, `middle` outputs each), a permutation, block-diagonal again: each
    slice of the matrix from a block to the outputs behind one of `middle` has rank one.
    """
    inputs, outputs = matrix.shape
    slices = matrix.reshape(blocks, inputs // blocks, middle, outputs // middle).transpose(0, 2, 1, 3)
    values = np.linalg.svd(slices, compute_uv=False) ** 2
    weights = inputs * middle + middle * blocks * (outputs // middle)
    return float(values[..., 1:].sum() / values.sum()), weights


def kronecker(matrix: Array, rows: int, columns: int, terms: int) -> tuple[float, int]:
    """Return the relative error of the nearest sum of Kronecker products (Van Loan, 2000), and its weights."""
    inputs, outputs = matrix.shape
    turned = matrix.reshape(rows, inputs // rows, columns, outputs // columns).transpose(0, 2, 1, 3)
    values = np.linalg.svd(turned.reshape(rows * columns, -1), compute_uv=False) ** 2
    return float(values[terms:].sum() / values.sum()), terms * (rows * columns + matrix.size // (rows * columns))


def low_rank(matrix: Array, weights: int) -> float:
    """Return the relative error of the nearest matrix of low rank with no more weights."""
    values = np.linalg.svd(matrix, compute_uv=False) ** 2
    return float(values[weights // sum(matrix.shape) :].sum() / values.sum())


def main() -> None:
    arguments = make_parser(__doc__).parse_args()
    import tfprune
    from tfprune.demo import train

    made = environment()
    model = train(tfprune.datasets.fashion_mnist_small(), 1 if arguments.quick else 12, 0, 0, [])
    matrix = np.asarray(model.get_layer("hidden").kernel.numpy(), dtype=np.float64)
    rows = []
    for blocks, middle in MONARCH:
        found = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            mixed = matrix[rng.permutation(len(matrix))][:, rng.permutation(matrix.shape[1])]
            found.append(monarch(mixed, blocks, middle))
        error, weights = min(found)
        rows.append([f"Monarch, {blocks} blocks, {middle} between", error, weights])
    for across, down, terms in KRONECKER:
        error, weights = kronecker(matrix, across, down, terms)
        rows.append([f"Kronecker, {terms} of {across} × {down}", error, weights])
    results = [
        {"what": what, "error": error, "weights": weights, "low_rank": low_rank(matrix, weights)}
        for what, error, weights in rows
    ]
    cells = [
        [r["what"], f"{r['weights'] / matrix.size:.3f}", f"{r['error']:.3f}", f"{r['low_rank']:.3f}"] for r in results
    ]
    text = markdown(["", "weights ÷ those of the layer", "relative error", "low rank of that size"], cells)
    report(destination(arguments, "structured_dense"), {"environment": made, "results": results}, text)


if __name__ == "__main__":
    main()
