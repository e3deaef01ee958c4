"""From a Keras model to a SavedModel with one signature, which is the form that the converter gets right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfprune.inputs.signature import Signature, unique_names
from tfprune.name_scopes import kept_name_scopes

__all__ = ["SIGNATURE", "save_for_conversion"]

SIGNATURE = "serving_default"


def save_for_conversion(model: Any, signature: Signature, folder: Path) -> list[str]:
    """Write the inference graph of a model to `folder` as a SavedModel with the signature "serving_default".

    The graph is traced through one `tf.function` with the signature's shapes, and saved in a `tf.Module` that holds
    just the variables which the graph reads. (Passing a Keras 3 model as the trackable object of
    `TFLiteConverter.from_concrete_functions` gives a file with wrong numbers.) The model is not changed.

    Args:
        model: A built Keras model.
        signature: Its inputs, batch axis included.
        folder: Where to write.

    Returns:
        The names of the outputs, in the order in which `keras.tree.flatten` gives them.
    """
    import keras
    import tensorflow as tf

    names: list[str] = []

    def serve(**inputs: Any) -> dict[str, Any]:
        outputs = model(signature.pack([inputs[spec.name] for spec in signature.inputs]), training=False)
        flat = keras.tree.flatten(outputs)
        names[:] = _output_names(outputs, len(flat))
        return dict(zip(names, map(tf.convert_to_tensor, flat), strict=True))

    specs = {spec.name: tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in signature.inputs}
    with kept_name_scopes():
        concrete = tf.function(serve, autograph=False).get_concrete_function(**specs)
    root = tf.Module()
    root.used_variables = list(concrete.graph.variables)
    tf.saved_model.save(root, str(folder), signatures={SIGNATURE: concrete})
    return names


def _output_names(outputs: Any, count: int) -> list[str]:
    """Return the keys of a dict of outputs, or output_0, output_1 and so on, as Keras' own export names them."""
    if isinstance(outputs, dict) and len(outputs) == count:
        return unique_names(sorted(map(str, outputs)))
    return [f"output_{index}" for index in range(count)]
