"""Factors that come nearest to a kernel on the inputs that a layer gets: alternating least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.factorization.equation import Equation
from tfprune.factorization.metric import Metric

__all__ = ["fit_factors"]

TINY = {"float64": 1e-9, "float32": 1e-5}
"""What is added to the diagonal of moments, relative to its mean, so that they can be solved for."""

Array = NDArray[Any]

ENOUGH = 1e-4
"""Sweeps end when one brings the error down by less than this part of it."""


def fit_factors(
    equation: Equation, factors: Sequence[Array], kernel: Array, metric: Metric, *, sweeps: int = 8, steps: int = 12
) -> list[Array]:
    """Improve factors so that the kernel that they make costs less error; it never gets worse.

    A kernel is linear in each of its factors alone. So each sweep solves for the last one exactly, and takes some steps
    of conjugate gradients for each of the others.

    Args:
        equation: How factors make a kernel.
        factors: Where to start.
        kernel: What they should make, with the equation's axes.
        metric: What an error costs.
        sweeps: How many sweeps at most.
        steps: How many steps of conjugate gradients each factor takes in a sweep.

    Returns:
        The factors.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, kernel = rng.normal(size=(100, 6)) * [9, 9, 1, 1, 1, 1], rng.normal(size=(6, 5))
        >>> equation, metric = Equation("cr,ro->co"), Metric(x.T @ x)
        >>> start = [kernel[:, :2], np.eye(2, 5)]
        >>> found = fit_factors(equation, start, kernel, metric, sweeps=20)
        >>> metric(kernel - equation.compose(found)) < 0.2 * metric(kernel - equation.compose(start))
        True
    """
    found = [np.asarray(factor) for factor in factors]
    flat = kernel.reshape(-1, kernel.shape[-1])
    best = metric(flat - equation.compose(found).reshape(flat.shape))
    for _ in range(sweeps):
        trial = list(found)
        for number in range(len(trial) - 1):
            trial[number] = improve(equation, trial, number, flat, metric, steps)
        trial[-1] = solve_last(equation, trial, flat, metric)
        error = metric(flat - equation.compose(trial).reshape(flat.shape))
        if not error < best:
            break
        found, gained, best = trial, best - error, error
        if gained < ENOUGH * best:
            break
    return found


def solve_last(equation: Equation, factors: Sequence[Array], kernel: Array, metric: Metric) -> Array:
    """Return the best last factor for the others."""
    basis = equation.basis(factors)
    weighed = metric.times(basis)
    moments = basis.T @ weighed
    moments = moments + np.eye(len(moments), dtype=moments.dtype) * max(
        TINY[moments.dtype.name] * float(np.trace(moments)) / len(moments), 1e-30
    )
    last = equation.factors[-1]
    solved = np.linalg.solve(moments, weighed.T @ kernel)
    inner = [size for size, letter in zip(factors[-1].shape, last, strict=True) if letter != "o"]
    return np.moveaxis(solved.reshape(*inner, -1), -1, last.index("o"))


def improve(
    equation: Equation, factors: Sequence[Array], number: int, kernel: Array, metric: Metric, steps: int
) -> Array:
    """Return one factor after some steps of conjugate gradients towards the best for the others."""

    def made(factor: Array) -> Array:
        return equation.compose([*factors[:number], factor, *factors[number + 1 :]]).reshape(kernel.shape)

    def pulled(weighed: Array) -> Array:
        return equation.pull(weighed.reshape(shape), factors, number)

    factor = factors[number]
    whole = equation.compose(factors)
    shape = whole.shape
    left = pulled(metric.times(kernel - whole.reshape(kernel.shape)))
    step, size = left, float((left * left).sum())
    start = size
    for _ in range(steps):
        if size <= 1e-12 * start or size == 0.0:
            break
        change = made(step)
        weighed = metric.times(change)
        along = float((change * weighed).sum())
        if along <= 0.0:
            break
        length = size / along
        factor = factor + length * step
        left = left - length * pulled(weighed)
        before, size = size, float((left * left).sum())
        step = left + size / before * step
    return factor
