"""What a granularity is: how a kernel falls into units that are kept or removed whole."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfprune.registry import Configurable, Registry

__all__ = ["Granularity", "KernelAxes", "Units", "granularities"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class KernelAxes:
    """Which axes of a kernel run over its input channels and which over its output channels.

    The remaining axes are positions (the window of a convolution). A depthwise kernel or an embedding, which does not
    sum over input channels, has no `inputs`.

    Args:
        inputs: Axes that are summed over.
        outputs: Axes that make the output channels.

    Example:
        >>> axes = KernelAxes(inputs=(2,), outputs=(3,))  # of a Conv2D
        >>> axes.to_matrix(np.zeros((3, 3, 8, 16))).shape
        (9, 16, 8)
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def to_matrix(self, kernel: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the kernel as (positions, outputs, inputs), the layout in which the runtime stores it."""
        matrix: NDArray[np.generic] = kernel.transpose(self._order(kernel.ndim)).reshape(
            self._matrix_shape(kernel.shape)
        )
        return matrix

    def from_matrix(self, matrix: BoolArray, shape: tuple[int, ...]) -> BoolArray:
        """Return a (positions, outputs, inputs) array in the layout of a kernel of `shape`."""
        order = self._order(len(shape))
        kernel: BoolArray = matrix.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))
        return kernel

    def _order(self, rank: int) -> list[int]:
        inputs, outputs = ([axis % rank for axis in axes] for axes in (self.inputs, self.outputs))
        return [axis for axis in range(rank) if axis not in inputs + outputs] + outputs + inputs

    def _matrix_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        sizes = [int(np.prod([shape[axis] for axis in axes], dtype=int)) for axes in (self.outputs, self.inputs)]
        return int(np.prod(shape, dtype=int)) // max(sizes[0] * sizes[1], 1), sizes[0], sizes[1]


@dataclass(frozen=True)
class Units:
    """The units of one kernel.

    Args:
        scores: Score of each unit, shape (units,).
        removes: Weights that go when a unit goes, shape (units,) or one number for all.
        mask: From which units are kept, bool (units,), to which weights are kept, bool of the kernel's shape.
        kind: What the kernel is like, for a scope that compares only like with like.
        shape: Shape of the kernel, for a scope that looks at it.
        errors: What the layer's outputs lose at each of a scope's `levels` of sparsity, for one that asks for it.
        least: How many units are kept at least, for a scope that could take more and finds others instead.

    Example:
        >>> def rows(kept):  # of a kernel with two rows of four weights
        ...     return np.repeat(kept[:, None], 4, axis=1)
        >>> units = Units(np.array([0.2, 0.9]), 4, rows)
        >>> units.removable, units.mask(np.array([False, True])).tolist()
        (8, [[False, False, False, False], [True, True, True, True]])
    """

    scores: FloatArray
    removes: NDArray[np.integer] | int
    mask: Callable[[BoolArray], BoolArray]
    kind: Hashable = None
    shape: tuple[int, ...] = ()
    errors: FloatArray | None = None
    least: int = 0

    @property
    def removable(self) -> int:
        """Weights that go when all units go."""
        return self.removes * len(self.scores) if isinstance(self.removes, int) else int(self.removes.sum())

    def with_scores(self, scores: FloatArray) -> Units:
        """Return the same units with other scores."""
        return dataclasses.replace(self, scores=scores)


class Granularity(Configurable, abc.ABC):
    """How a kernel falls into units that are kept or removed whole.

    Example:
        A granularity of your own:

        >>> from dataclasses import dataclass
        >>> from tfprune.granularity import Granularity, Units, granularities
        >>> @granularities.register("input_channel")
        ... @dataclass(frozen=True)
        ... class InputChannel(Granularity):
        ...     "All weights that read one input channel go together, or none of them."
        ...     def units(self, scores, axes):
        ...         matrix = axes.to_matrix(scores)  # positions, outputs, inputs
        ...         def mask(kept):
        ...             return axes.from_matrix(np.broadcast_to(kept, matrix.shape), scores.shape)
        ...         return Units(matrix.mean(axis=(0, 1)), matrix.shape[0] * matrix.shape[1], mask)
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 2))
        >>> _ = layer.kernel.assign([[1.0, 5.0], [3.0, 4.0]])
        >>> _ = tfprune.prune_layer(layer, 0.5, granularity="input_channel")
        >>> layer.kernel.numpy().tolist()
        [[0.0, 0.0], [3.0, 4.0]]
    """

    @property
    def max_sparsity(self) -> float:
        """The highest sparsity that the pattern allows; 1 where there is no bound."""
        return 1.0

    @property
    def default_sparsity(self) -> float:
        """The sparsity where none is given."""
        return min(0.8, self.max_sparsity)

    @property
    def needs_inputs(self) -> bool:
        """Whether the pattern runs along input channels, which depthwise kernels and embeddings do not sum over."""
        return True

    @abc.abstractmethod
    def units(self, scores: FloatArray, axes: KernelAxes) -> Units:
        """Return the units of a kernel.

        Args:
            scores: Score of each weight, of the kernel's shape.
            axes: Which axes of the kernel are input and output channels.
        """


granularities: Registry[Granularity] = Registry("granularity", Granularity)
