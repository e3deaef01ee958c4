"""How much is to go: a fraction, a number of weights or channels, or what a pattern has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfprune.cost import Budget
from tfprune.cost.budget import network_only
from tfprune.errors import InputError
from tfprune.granularity import Depth, Filter, Granularity, Weight
from tfprune.numbers import is_integer
from tfprune.pruning.masks import Rule
from tfprune.pruning.source import KernelMasks, MaskSource
from tfprune.schedules import check_sparsity
from tfprune.scope import Global, Isomorphic

__all__ = ["as_fraction", "check_amount", "name_and_amount"]


def name_and_amount(name: Any, amount: Any) -> tuple[str | None, Any]:
    """Return the name of a weight, if there is one, and the amount: either may come second in a call.

    Raises:
        InputError: If there are two amounts.
    """
    if name is None or isinstance(name, str):
        return name, amount
    if amount is not None:
        raise InputError(
            f"{name!r} and {amount!r} are given; give one amount. The second argument may be a name too, as 'kernel'."
        )
    return None, name


def check_amount(amount: Any, threshold: Any, granularity: Granularity) -> float | int | None:
    """Return the amount, that of the pattern if none is given, or None with a threshold.

    Raises:
        InputError: If neither or both are given, or one is out of range.
    """
    most = granularity.max_sparsity
    network_only(amount)
    if isinstance(amount, Budget):
        raise InputError(
            f"{amount} is for whole channels, which are taken out; call tfprune.prune_filters(model, {amount}), which "
            "returns a smaller model, or give a fraction of the weights to set to zero, as amount=0.5."
        )
    if amount is None and threshold is None and most < 1.0:
        return most
    if (amount is None) == (threshold is None):
        raise InputError("Give one of amount (a fraction in [0, 1)) and threshold (a score), not both or neither.")
    if threshold is not None and not (np.isfinite(threshold) and threshold >= 0):
        raise InputError(f"threshold is {threshold!r}; give a finite number from 0.")
    if is_integer(amount):
        if amount < 0:
            raise InputError(f"amount is {amount}; give a number from 0, or a fraction as a float in [0, 1).")
        return int(amount)
    if amount is not None and check_sparsity(amount, "amount") > most:
        raise InputError(f"amount is {amount}, above the {most:g} that this granularity allows; give {most:g} or less.")
    return None if amount is None else float(amount)


def as_fraction(amount: float | int, source: MaskSource, rule: Rule) -> float:
    """Return a number of weights, filters or blocks as the sparsity at which exactly so many go.

    Args:
        amount: The number; a float is a fraction already.
        source: What is pruned as one.
        rule: Granularity and scope.

    Raises:
        InputError: If there are not so many, or it is not clear of which kernel.
    """
    if not isinstance(amount, int):
        return amount
    sizes = [count(source, rule.granularity, size) for size in sizes_of(source)]
    what, total = noun(source, rule.granularity), sum(sizes)
    if amount >= total:
        raise InputError(
            f"amount is {amount} {what} of {total:,}, and some have to be left; give an int below {total:,}, or a "
            "fraction as a float in [0, 1)."
        )
    together = isinstance(rule.scope, Global) and not isinstance(rule.scope, Isomorphic)
    if amount and len(sizes) > 1 and not together and not isinstance(rule.granularity, Depth):
        raise InputError(
            f"amount is {amount} {what}, and they may come from {len(sizes)} places; give scope='global' for those "
            "that matter least of all, choose one layer or kernel, or give a fraction as a float."
        )
    if len(sizes) > 1 and isinstance(source, KernelMasks) and not isinstance(rule.granularity, Weight):
        of_one = {size / number for size, number in sizes_of(source)}
        if len(of_one) > 1:
            raise InputError(
                f"amount is {amount} {what}, and these have from {min(of_one):.0f} to {max(of_one):.0f} weights each; "
                "give a fraction as a float, or choose kernels whose filters are alike."
            )
    return amount / total


def sizes_of(source: MaskSource) -> list[tuple[int, int]]:
    """Return how much there is in each place, in weights or channels, and in how many filters."""
    if isinstance(source, KernelMasks):
        outputs = [[t.variable.shape[axis] for axis in t.axes.outputs] for t in source.targets]
        return [(t.size, math.prod(own)) for t, own in zip(source.targets, outputs, strict=True)]
    return [(size, size) for _, size in source.measure_each().values()]


def count(source: MaskSource, granularity: Granularity, size: tuple[int, int]) -> int:
    """Return how many things that go as one there are in a place."""
    if isinstance(granularity, Filter | Depth):
        return size[1]
    if isinstance(granularity, Weight):
        return size[0]
    raise InputError(f"An amount as an int is for single weights and whole filters; for {granularity} give a fraction.")


def noun(source: MaskSource, granularity: Granularity) -> str:
    """Return what goes as one in words."""
    if isinstance(granularity, Depth):
        return "residual blocks"
    if isinstance(granularity, Filter):
        return "filters" if isinstance(source, KernelMasks) else "channels"
    return "weights"
