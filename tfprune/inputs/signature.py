"""What goes into a model: the names, shapes and dtypes of its inputs, and how its call wants them packed."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tfprune.errors import InputError

__all__ = ["InputSpec", "Signature", "signature_of", "unique_names"]

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class InputSpec:
    """One input: its name in the file, its shape with the batch axis first, and its dtype.

    Args:
        name: Its name in the file.
        shape: Its shape, batch first.
        dtype: Its dtype.

    Example:
        >>> InputSpec("image", (1, 28, 28, 1), "float32").shape[1:]  # of one sample
        (28, 28, 1)
    """

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class Signature:
    """The inputs of a model in the order of `keras.tree.flatten`, and the structure its call takes.

    Args:
        inputs: The inputs.
        structure: What the model's call takes.

    Example:
        >>> both = [keras.Input((2,), name="left"), keras.Input((3,), name="right")]
        >>> model = keras.Model({"left": both[0], "right": both[1]}, keras.layers.Concatenate()(both))
        >>> found = signature_of(model)
        >>> [one.name for one in found.inputs], found.pack([1, 2])
        (['left', 'right'], {'left': 1, 'right': 2})
    """

    inputs: tuple[InputSpec, ...]
    structure: Any

    def pack(self, flat: Sequence[Any]) -> Any:
        """Arrange one value for each input into the structure that the model's call takes."""
        import keras

        return keras.tree.pack_sequence_as(self.structure, list(flat))

    def aliases(self) -> list[str]:
        """Return the keys by which a model built on a dict of inputs knows them, or nothing for other models."""
        return sorted(self.structure) if isinstance(self.structure, dict) else []


def signature_of(model: Any, *, batch_size: int | None = 1, input_shape: Any = None, sample: Any = None) -> Signature:
    """Find out what a built model takes.

    Args:
        model: A built Keras model: functional, sequential or subclassed.
        batch_size: The size of the batch axis, or None to leave it open.
        input_shape: The shape of one sample, for models with open axes: a tuple, or a list of tuples by input.
        sample: One batch of data in the structure of the model's call; fills open axes and tells the inputs of a
            subclassed model.

    Returns:
        The signature, with every axis but the batch known.

    Raises:
        InputError: If the model is not built, or if an axis other than the batch stays unknown.

    Example:
        >>> model = keras.Sequential([keras.Input((None, 3), name="x"), keras.layers.Dense(2)])
        >>> signature_of(model, input_shape=(16, 3)).inputs
        (InputSpec(name='x', shape=(1, 16, 3), dtype='float32'),)
    """
    structure, found = _declared(model, sample)
    shapes = _shapes_given(input_shape, len(found))
    names = unique_names([name for name, _, _ in found])
    samples = _sample_shapes(sample, structure)
    specs = []
    for index, (name, (_, shape, dtype)) in enumerate(zip(names, found, strict=True)):
        if "string" in dtype:
            raise InputError(
                f"Input {name!r} takes strings, which TFLite models can't; look words up before the model."
            )
        specs.append(InputSpec(name, _fixed(name, shape, shapes[index], samples.get(index), batch_size), dtype))
    return Signature(tuple(specs), structure)


def unique_names(names: Sequence[str]) -> list[str]:
    """Turn names into distinct identifiers, which is what a signature of a .tflite file allows.

    Args:
        names: The names.

    Returns:
        As many identifiers.

    Example:
        >>> unique_names(["left eye", "left-eye", "2d", "lambda"])
        ['left_eye', 'left_eye_1', '_2d', 'lambda_']
    """
    result: list[str] = []
    for name in names:
        clean = re.sub(r"\W", "_", name, flags=re.ASCII) or "tensor"
        clean = f"_{clean}" if clean[0].isdigit() else clean
        clean = f"{clean}_" if keyword.iskeyword(clean) else clean
        candidate, number = clean, 0
        while candidate in result:
            number += 1
            candidate = f"{clean}_{number}"
        result.append(candidate)
    return result


def _declared(model: Any, sample: Any) -> tuple[Any, list[tuple[str, Shape, str]]]:
    """Return the structure of a model's inputs, and their names, shapes and dtypes as far as it declares them."""
    import keras

    symbolic = list(getattr(model, "inputs", None) or [])
    if symbolic:
        structure = symbolic[0] if isinstance(model, keras.Sequential) else model.input
        tensors = keras.tree.flatten(structure)
        return structure, [(_tensor_name(t), tuple(t.shape), str(t.dtype)) for t in tensors]
    if not model.built:
        raise InputError(
            f"The model {model.name!r} is not built; call it once on data (or fit it) before exporting it."
        )
    built = _built_shapes(model)
    if sample is None:
        if built is None:
            raise InputError(f"Keras noted no input shape for {model.name!r}; give parity_data, which show it.")
        return built
    flat = keras.tree.flatten(sample)
    shapes: list[Shape] = [(None, *value.shape[1:]) for value in flat]
    if built is not None and [len(shape) for shape in shapes] != [len(shape) for _, shape, _ in built[1]]:
        return built  # the example is labelled or not batched; what Keras noted is surer
    return sample, list(zip(_keys(sample, len(flat)), shapes, [_dtype(value) for value in flat], strict=True))


def _built_shapes(model: Any) -> tuple[Any, list[tuple[str, Shape, str]]] | None:
    """Return the inputs of a subclassed model as Keras noted them when the model was first called, if it did."""
    config = model.get_build_config() or {}
    shape = config.get("input_shape") or next(iter(config.get("shapes_dict", {}).values()), None)
    if len(config.get("shapes_dict", {})) > 1:
        raise InputError(
            f"The call of {model.name!r} takes several arguments ({', '.join(config['shapes_dict'])}); "
            "make it take one tuple or dict of tensors, or wrap it into a functional model."
        )
    if shape is None:
        return None
    structure: Any
    if isinstance(shape, dict):
        structure, flat = dict.fromkeys(shape, 0), [shape[key] for key in sorted(shape)]
    elif shape and isinstance(shape[0], tuple | list):
        structure, flat = [0] * len(shape), list(shape)
    else:
        structure, flat = 0, [shape]
    names = _keys(structure, len(flat))
    return structure, [(name, (None, *tuple(s)[1:]), "float32") for name, s in zip(names, flat, strict=True)]


def _tensor_name(tensor: Any) -> str:
    history = getattr(tensor, "_keras_history", None)
    return str(history.operation.name if history is not None else tensor.name)


def _keys(structure: Any, count: int) -> list[str]:
    if isinstance(structure, dict):
        return sorted(structure)
    return ["inputs"] if count == 1 else [f"inputs_{index}" for index in range(count)]


def _dtype(value: Any) -> str:
    name = getattr(value.dtype, "name", str(value.dtype))
    return "float32" if "float" in name else str(name)


def _shapes_given(input_shape: Any, count: int) -> list[Shape | None]:
    """Return the user's shape of one sample for each input."""
    if input_shape is None:
        return [None] * count
    several = len(input_shape) > 0 and isinstance(input_shape[0], tuple | list)
    shapes = [tuple(shape) for shape in input_shape] if several else [tuple(input_shape)]
    if len(shapes) != count:
        raise InputError(f"input_shape has {len(shapes)} shapes, but the model has {count} inputs; give one for each.")
    return list(shapes)


def _sample_shapes(sample: Any, structure: Any) -> dict[int, Shape]:
    import keras

    if sample is None:
        return {}
    flat = keras.tree.flatten(sample)
    if len(flat) != len(keras.tree.flatten(structure)):
        return {}
    return {index: tuple(value.shape[1:]) for index, value in enumerate(flat)}


def _fixed(name: str, shape: Shape, given: Shape | None, seen: Shape | None, batch_size: int | None) -> Shape:
    """Fill the open axes of `shape` from what was given, then from what the data have."""
    rest = list(shape[1:])  # a batch size noted by Keras is often just that of the first call
    for other in (given, seen):
        if other is not None and len(other) == len(rest):
            rest = [known if axis is None else axis for axis, known in zip(rest, other, strict=True)]
    if any(axis is None for axis in rest):
        raise InputError(
            f"Input {name!r} has the shape {shape}, and TFLite needs every axis but the batch; give input_shape= "
            "(the shape of one sample), parity_data, or a model with a static input shape."
        )
    if given is not None and tuple(rest) != given:
        raise InputError(f"Input {name!r} has the shape {shape}, which input_shape={given} does not fit.")
    return (batch_size, *rest)
