"""What a penalty is: a pure rule from weights to a number that training makes small."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfprune.registry import Configurable, Registry

__all__ = ["CHANNELS", "KERNELS", "Penalty", "Weights", "penalties"]

CHANNELS, KERNELS = "channels", "kernels"
"""What a penalty is taken over: the channels of a group, the single weights of a kernel."""


@dataclass(frozen=True)
class Weights:
    """Weights that are penalised together: those of one kernel, or all that go with the channels of a group.

    Args:
        kind: `"channels"` or `"kernels"`.
        matrices: Float tensors by role. Of channels each is (channels, weights per channel), with the roles `"output"`
            (kernels that make the channels), `"input"` (kernels that read them), `"scale"` (of a batch normalisation)
            and `"pass"` (other vectors, such as biases). Of a kernel it is the kernel, with the role `"kernel"`.
        leaving: Which channels are to go, bool (channels,); None unless the penalty asks for a choice.

    Example:
        >>> Weights("channels", {"output": [np.ones((2, 9))], "pass": [np.ones((2, 1))]}).per_channel
        10
    """

    kind: str
    matrices: Mapping[str, Sequence[Any]] = field(repr=False)
    leaving: NDArray[np.bool_] | None = field(default=None, repr=False)

    @property
    def all(self) -> list[Any]:
        """The matrices of all roles."""
        return [matrix for matrices in self.matrices.values() for matrix in matrices]

    @property
    def per_channel(self) -> int:
        """How many weights go with one channel."""
        return sum(int(matrix.shape[1]) for matrix in self.all)

    def squares(self) -> Any:
        """Return the sum of the squared weights of each channel, a tensor (channels,)."""
        return sum(ops.sum(ops.square(matrix), axis=1) for matrix in self.all)


class Penalty(Configurable, abc.ABC):
    """A rule that says how much weights cost; the total over all kernels or groups, times a strength, joins the loss.

    To add one, extend this class as a frozen dataclass and register it.

    Attributes:
        over: What it is taken over: `"channels"`, `"kernels"` or both.
        default_strength: What it is multiplied with if nothing else is asked for.
        needs: What a model must have for it, in words.

    Example:
        A penalty of your own, which `tfprune.RegularizeCallback("elastic_net")` finds:

        >>> from dataclasses import dataclass
        >>> from tfprune.penalties import Penalty, Weights, penalties
        >>> @penalties.register("elastic_net")
        ... @dataclass(frozen=True)
        ... class ElasticNet(Penalty):
        ...     "The sum of absolute values and squares over the weights of kernels."
        ...     over = ("kernels",)
        ...     def __call__(self, weights):
        ...         return sum(ops.sum(ops.abs(w) + ops.square(w)) for w in weights.all)
        >>> float(penalties.get("elastic_net")(Weights("kernels", {"kernel": [np.array([[3.0, -4.0]])]})))
        32.0
    """

    over: ClassVar[tuple[str, ...]] = (CHANNELS,)
    default_strength: ClassVar[float] = 1e-4
    needs: ClassVar[str] = "weights that can be pruned"

    @abc.abstractmethod
    def __call__(self, weights: Weights) -> Any:
        """Return the penalty of one kernel or one channel group.

        Args:
            weights: Float tensors, at least float32. A gradient is taken, so use `keras.ops`.

        Returns:
            A scalar tensor with a finite gradient; None if this penalty has nothing to say about these weights.
        """

    def factor(self, step: int, steps: int | None) -> float:
        """Return what the penalty is multiplied with besides the strength.

        Args:
            step: Optimizer updates since the penalty began.
            steps: How many there will be; None if that is not known yet.
        """
        return 1.0


penalties: Registry[Penalty] = Registry("penalty", Penalty)
