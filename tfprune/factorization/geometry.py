"""What a form of factorisation must know of a layer: its kernel as blocks of windows × inputs × outputs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from keras import layers
from numpy.typing import NDArray

from tfprune.graph.kinds import CONVOLUTIONS
from tfprune.refit import Form
from tfprune.refit.forms import find_form

__all__ = ["Geometry", "geometry_of", "why_no_window"]

Array = NDArray[Any]


class Geometry:
    """A layer with a kernel that can be written as factors.

    Args:
        layer: The layer.
        form: Its linear form; None for an embedding.

    Attributes:
        blocks: Number of blocks: groups of a convolution, shared letters of an `EinsumDense`.
        window: Size of the window; () of layers without one.
        inputs: Inputs of a block, at each position of the window.
        outputs: Outputs of a block.
    """

    def __init__(self, layer: Any, form: Form | None) -> None:
        self.layer = layer
        self.form = form
        self.window: tuple[int, ...] = tuple(layer.kernel_size) if isinstance(layer, CONVOLUTIONS) else ()
        blocks, inputs, outputs = (1, *layer.embeddings.shape) if form is None else form.size
        self.blocks: int = blocks
        self.inputs: int = inputs // int(np.prod(self.window, dtype=int))
        self.outputs: int = outputs

    @property
    def rows(self) -> int:
        """Inputs of a block over the whole window."""
        return self.inputs * int(np.prod(self.window, dtype=int))

    @cached_property
    def config(self) -> dict[str, Any]:
        """The layer's config: each price asks for it."""
        return dict(self.layer.get_config())

    @property
    def is_convolution(self) -> bool:
        """Whether it is a convolution."""
        return isinstance(self.layer, CONVOLUTIONS)

    @property
    def is_pointwise(self) -> bool:
        """Whether each output sees one position alone."""
        return all(size == 1 for size in self.window)

    @cached_property
    def kernel(self) -> Array:
        """The kernel, float64 (blocks, window × inputs, outputs)."""
        if self.form is None:
            return np.asarray(self.layer.embeddings.numpy(), dtype=np.float64)[None]
        return self.form.weights.astype(np.float64)


def why_no_window(geometry: Geometry) -> str | None:
    """Return why a layer has no window that could be written as factors."""
    windowed = geometry.is_convolution and not geometry.is_pointwise
    return None if windowed else "it has no window of more than one position"


def geometry_of(layer: Any) -> Geometry | str:
    """Return what a form must know of a layer, or why it can't be factorised."""
    if isinstance(layer, layers.Embedding) and type(layer).call is layers.Embedding.call:
        adapted = getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False)
        return "it is quantised or adapted" if adapted else Geometry(layer, None)
    if not isinstance(layer, (*CONVOLUTIONS, layers.Dense, layers.EinsumDense)):
        return f"{type(layer).__name__} has no factor form"
    form = find_form(layer)
    if form is None:
        return "it is quantised, adapted or overrides call"
    return Geometry(layer, form)
