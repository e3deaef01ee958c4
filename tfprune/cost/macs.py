"""Multiply-accumulates of each layer, from the shapes that it sees."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, tree

__all__ = ["count_macs", "seen_shapes"]

Shape = tuple[int | None, ...]

TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
LOOKUPS = (layers.Embedding,)


def count_macs(layer: keras.Layer, kernel_shape: Shape, seen: tuple[Shape, Shape] | None) -> int | None:
    """Return the multiply-accumulates that one kernel costs for one sample.

    Every weight is used once at each output position (each input position of a transposed convolution, each step of a
    recurrent layer); a lookup costs none.

    Args:
        layer: The layer that owns the kernel.
        kernel_shape: Shape of the kernel.
        seen: Shapes of the layer's input and output, as `seen_shapes` gives them; batch first.

    Returns:
        The count; None if a shape is not known.

    Example:
        >>> count_macs(layers.Conv2D(8, 3), (3, 3, 1, 8), ((1, 28, 28, 1), (1, 26, 26, 8)))
        48672
    """
    if isinstance(layer, LOOKUPS):
        return 0
    if seen is None:
        return None
    inputs, outputs = seen
    if isinstance(layer, layers.EinsumDense):
        letters = layer.equation.replace("...", "").split("->")
        kernel = letters[0].split(",")[1]
        made = math.prod(kernel_shape[i] or 0 for i, letter in enumerate(kernel) if letter in letters[1])
        if None in outputs[1:]:
            return None
        return math.prod(size or 0 for size in kernel_shape) * math.prod(size or 0 for size in outputs[1:]) // made
    positions = inputs[1:-1] if isinstance(layer, TRANSPOSED) else outputs[1:-1]
    if getattr(layer, "data_format", None) == "channels_first":
        positions = inputs[2:] if isinstance(layer, TRANSPOSED) else outputs[2:]
    if None in positions:
        return None
    return math.prod(size or 0 for size in kernel_shape) * math.prod(size or 0 for size in positions)


def seen_shapes(model: keras.Model) -> dict[int, tuple[Shape, Shape]]:
    """Return the shapes of the first input and output of every layer in a model, however deeply nested.

    The model is called once on symbolic inputs of batch size 1; no numbers are computed. A layer that is called several
    times counts with its first call, a recurrent cell with the whole sequence of its layer.

    Args:
        model: A built model whose input shapes are known.

    Returns:
        `id` of a layer to (input shape, output shape); empty if the inputs are not known.
    """
    inputs = symbolic_inputs(model)
    if inputs is None:
        return {}
    seen: dict[int, tuple[Shape, Shape]] = {}
    with recording(model, seen), contextlib.suppress(Exception):  # a model that can't be traced has no shapes to show
        keras.src.backend.compute_output_spec(model.call, inputs)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.RNN) and id(layer) in seen:
            shape = seen[id(layer)][0]
            steps = (shape[0], *shape[1:])
            for cell in layer.cell._flatten_layers():
                seen[id(cell)] = (steps, steps)
    return seen


def symbolic_inputs(model: keras.Model) -> Any:
    """Return KerasTensors of batch size 1 in the structure that the model is called with, or None."""
    structure = getattr(model, "_inputs_struct", None)
    if structure is None and getattr(model, "inputs", None):
        structure = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    if structure is None:
        shapes = (getattr(model, "_build_shapes_dict", None) or {}).values()
        if len(shapes) != 1:
            return None
        shape = next(iter(shapes))
        if not (isinstance(shape, tuple | list) and all(size is None or isinstance(size, int) for size in shape)):
            return None
        return keras.KerasTensor((1, *shape[1:]))
    return tree.map_structure(lambda tensor: keras.KerasTensor((1, *tensor.shape[1:]), tensor.dtype), structure)


@contextlib.contextmanager
def recording(model: keras.Model, seen: dict[int, tuple[Shape, Shape]]) -> Iterator[None]:
    """Note the shapes of every call of a layer while the block runs."""
    original = keras.Layer.__call__

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        result = original(layer, *args, **kwargs)
        given = [x for x in tree.flatten((args, kwargs)) if hasattr(x, "shape")]
        made = [x for x in tree.flatten(result) if hasattr(x, "shape")]
        if given and made and id(layer) not in seen:
            seen[id(layer)] = (tuple(given[0].shape), tuple(made[0].shape))
        return result

    keras.Layer.__call__ = call
    try:
        yield
    finally:
        keras.Layer.__call__ = original
