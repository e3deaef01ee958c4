"""Canonical polyadic decomposition: 1 × 1, a window for each channel alone, 1 × 1."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.factorization.base import Array, Factorization, Ranks, factorizations
from tfprune.factorization.depthwise import why_not_depthwise
from tfprune.factorization.equation import Equation
from tfprune.factorization.geometry import Geometry, why_no_window
from tfprune.factorization.metric import Metric, truncate
from tfprune.factorization.pieces import Step, convolution, depthwise

__all__ = ["Cp"]


@factorizations.register("cp")
@dataclass(frozen=True)
class Cp(Factorization):
    """`W[p, c, o] = Σ_r A[c, r] P[p, r] B[r, o]`: 1 × 1, depthwise k × k, 1 × 1, by TensorLy's `parafac`.

    Lebedev et al., "Speeding-up Convolutional Neural Networks Using Fine-tuned CP-Decomposition", 2015, with the window
    whole, as devices run one depthwise convolution faster than two.

    Args:
        iterations: Of alternating least squares, at most.
        seed: Seed of columns that start at random.

    Example:
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 9, 9, 4))
        >>> [type(part).__name__ for part in tfprune.factorize_layer(layer, "cp", rank=6).layers]
        ['Conv2D', 'DepthwiseConv2D', 'Conv2D']
    """

    iterations: int = 40
    seed: int = 0

    def check(self, geometry: Geometry) -> str | None:
        """Refuse what has no window, or steps that no depthwise convolution has."""
        return why_no_window(geometry) or why_not_depthwise(geometry)

    def equation(self, geometry: Geometry) -> Equation:
        """Return how the three make the kernel."""
        return Equation("cr,pr,ro->pco")

    def sizes(self, geometry: Geometry) -> dict[str, int]:
        """Return positions of the window, inputs and outputs."""
        return {"p": math.prod(geometry.window), "c": geometry.inputs, "o": geometry.outputs}

    def full(self, geometry: Geometry) -> Ranks:
        """Return the product of the two smallest sizes: at that rank each pair of indices has a term of its own."""
        first, second, _ = sorted(self.shape(geometry))
        return (first * second,)

    def start(self, kernel: Array, ranks: Ranks, metric: Metric) -> list[Array]:
        """Return what `parafac` finds for inputs as one position of the window sees them."""
        if ranks[0] >= np.prod(sorted(kernel.shape)[:2]):
            return exact(kernel)
        root = metric.along(kernel.shape[:2], (1,)).root()
        whitened = kernel if root is None else np.einsum("dc,pco->pdo", root[0], kernel)
        found = parafac(whitened, ranks[0], self.iterations, self.seed)
        if found is None:
            warnings.warn(
                f"parafac did not converge for a kernel {kernel.shape} at rank {ranks[0]}; singular vectors are taken "
                "instead",
                stacklevel=2,
            )
            found = by_singular_vectors(whitened, ranks[0])
        windows, inputs, outputs = found
        return [inputs if root is None else root[1] @ inputs, windows, outputs]

    def pieces(self, geometry: Geometry, factors: Sequence[Array]) -> list[Step]:
        """Return 1 × 1, a depthwise convolution and 1 × 1."""
        ones = tuple(1 for _ in geometry.window)
        inputs, windows, outputs = factors
        return [
            convolution(geometry, inputs.reshape(-1, *ones, *inputs.shape[1:]), (), last=False),
            depthwise(geometry, windows.reshape(-1, *geometry.window, windows.shape[-1], 1)),
            convolution(geometry, outputs.reshape(-1, *ones, *outputs.shape[1:]), (), last=True),
        ]

    def unfoldings(self, kernel: Array, metric: Metric) -> list[list[Array]]:
        """Return none: there are no singular values for it."""
        return []


def exact(kernel: Array) -> list[Array]:
    """Return factors that make a kernel exactly, with a term for each pair of indices along the two smaller axes."""
    letters = sorted("pco", key=lambda letter: kernel.shape["pco".index(letter)])
    sizes = dict(zip("pco", kernel.shape, strict=True))
    first, second, last = letters
    terms = np.arange(sizes[first] * sizes[second]).reshape(sizes[first], sizes[second])
    found = {
        first: np.eye(sizes[first])[:, np.repeat(np.arange(sizes[first]), sizes[second])],
        second: np.eye(sizes[second])[:, np.tile(np.arange(sizes[second]), sizes[first])],
        last: np.moveaxis(kernel, ["pco".index(x) for x in (last, first, second)], (0, 1, 2)).reshape(
            sizes[last], terms.size
        ),
    }
    return [found["c"], found["p"], found["o"].T]


def parafac(kernel: Array, rank: int, iterations: int, seed: int) -> list[Array] | None:
    """Return TensorLy's factors, (windows, rank), (inputs, rank) and (rank, outputs); None if they are no good."""
    import tensorly
    from tensorly.decomposition import parafac as decompose

    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            weights, factors = decompose(
                tensorly.tensor(kernel), rank, n_iter_max=iterations, init="svd" if rank <= min(kernel.shape) else
                "random", tol=1e-6, random_state=seed, normalize_factors=False,
            )  # fmt: skip
    except np.linalg.LinAlgError:
        return None
    windows, inputs, outputs = (np.asarray(factor) for factor in factors)
    outputs = (outputs * np.asarray(weights)).T
    left = kernel - np.einsum("pr,cr,ro->pco", windows, inputs, outputs)
    good = np.isfinite(left).all() and np.square(left).sum() <= np.square(kernel).sum()
    return [windows, inputs, outputs] if good else None


def by_singular_vectors(kernel: Array, rank: int) -> list[Array]:
    """Return terms of the singular value decomposition for each position of the window, the largest first."""
    terms = []
    for position, matrix in enumerate(kernel):
        left, right, energies = truncate(matrix, min(matrix.shape), Metric())
        terms += [(energies[n], position, left[:, n], right[n]) for n in range(len(right))]
    chosen = sorted(terms, key=lambda term: -term[0])[:rank]
    windows = np.eye(len(kernel))[:, [position for _, position, _, _ in chosen]]
    inputs, outputs = np.stack([x for _, _, x, _ in chosen], axis=1), np.stack([y for *_, y in chosen])
    if len(chosen) < rank:
        windows, inputs = (np.pad(x, [(0, 0), (0, rank - len(chosen))]) for x in (windows, inputs))
        outputs = np.pad(outputs, [(0, rank - len(chosen)), (0, 0)])
    return [windows, inputs, outputs]
