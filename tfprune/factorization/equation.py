"""A kernel as a sum of products of factors, written as an `einsum` equation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Equation"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Equation:
    """How factors make a kernel. The last factor alone has the letter of the outputs, `o`.

    Args:
        text: As for `numpy.einsum`; what is summed over are ranks.

    Example:
        >>> equation = Equation("cr,ro->co")
        >>> equation.ranks, equation.shapes({"c": 4, "o": 3, "r": 2})
        ('r', [(4, 2), (2, 3)])
        >>> equation.compose([np.ones((4, 2)), np.ones((2, 3))]).tolist()[0]
        [2.0, 2.0, 2.0]
    """

    text: str

    @property
    def factors(self) -> list[str]:
        """The letters of each factor."""
        return self.text.split("->")[0].split(",")

    @property
    def made(self) -> str:
        """The letters of the kernel."""
        return self.text.split("->")[1]

    @property
    def ranks(self) -> str:
        """The letters that are ranks, in the order in which they come first."""
        found = dict.fromkeys(letter for factor in self.factors for letter in factor)
        return "".join(letter for letter in found if letter not in self.made)

    def shapes(self, sizes: Mapping[str, int]) -> list[tuple[int, ...]]:
        """Return the shape of each factor."""
        return [tuple(sizes[letter] for letter in factor) for factor in self.factors]

    def compose(self, factors: Sequence[Array]) -> Array:
        """Return the kernel that factors make."""
        return self._sum(self.text, factors)

    def pull(self, kernel: Array, factors: Sequence[Array], number: int) -> Array:
        """Return the adjoint of `compose` in one factor: the gradient of it, for that of the kernel."""
        others = [f for n, f in enumerate(factors) if n != number]
        names = [f for n, f in enumerate(self.factors) if n != number]
        return self._sum(f"{','.join([self.made, *names])}->{self.factors[number]}", [kernel, *others])

    def basis(self, factors: Sequence[Array]) -> Array:
        """Return what the last factor is multiplied with, (inputs, size of the last factor without outputs)."""
        *others, last = self.factors
        kernel, inner = self.made.replace("o", ""), last.replace("o", "")
        sizes = dict(zip("".join(self.factors), [n for f in factors for n in f.shape], strict=True))
        shared = [letter for letter in inner if letter in kernel]
        named = "".join(letter.upper() if letter in shared else letter for letter in inner)
        text = ",".join([*others, *(f"{letter}{letter.upper()}" for letter in shared)])
        found = self._sum(
            f"{text}->{kernel}{named}",
            [*factors[:-1], *(np.eye(sizes[letter], dtype=factors[0].dtype) for letter in shared)],
        )
        return found.reshape(math.prod(sizes[letter] for letter in kernel), -1)

    def balance(self, factors: Sequence[Array]) -> list[Array]:
        """Return factors that make the same kernel, with equal norms along each rank.

        Where all factors of a rank share other axes too, as the channels of depthwise windows, each position on these
        is balanced by itself: one tiny window beside huge weights would leave no learning rate that suits both.
        """
        found = [np.array(factor) for factor in factors]
        for letter in self.ranks:
            members = [n for n, names in enumerate(self.factors) if letter in names]
            shared = [one for one in self.factors[members[0]] if all(one in self.factors[n] for n in members)]
            norms = [np.sqrt(self._sum(f"{self.factors[n]}->{''.join(shared)}", [found[n] ** 2])) for n in members]
            stacked = np.array(norms)
            usable = (stacked > 0).all(axis=0)
            mean = np.exp(np.log(np.where(usable, stacked, 1.0)).mean(axis=0))
            for number, own in zip(members, norms, strict=True):
                scale = np.where(usable, mean / np.where(usable, own, 1.0), 1.0)
                found[number] = self._sum(
                    f"{self.factors[number]},{''.join(shared)}->{self.factors[number]}", [found[number], scale]
                )
        return found

    def clear(self, factors: Sequence[Array], kernel: Array) -> list[Array]:
        """Return factors that are zero where a whole slice of a kernel is, such as a filter that was pruned."""
        found = list(factors)
        for axis, letter in enumerate(self.made):
            alive = (kernel != 0).any(axis=tuple(other for other in range(kernel.ndim) if other != axis))
            for number, names in enumerate(self.factors):
                if letter in names and not alive.all():
                    shape = [-1 if own == letter else 1 for own in names]
                    found[number] = np.where(alive.reshape(shape), found[number], 0.0)
        return found

    @staticmethod
    def _sum(text: str, operands: Sequence[Array]) -> Array:
        found: Array = np.einsum(text, *operands, optimize="greedy")
        return found
