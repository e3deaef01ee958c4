"""What the converter complains about, said in the user's words: which operations, in which Keras layers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tfprune.errors import WRAPPER

__all__ = ["explain", "layers_at", "unsupported_operations"]

NODE = re.compile(r'fused\["(\w+):", "([^"@]+)@[^"]*"\]')
LISTED = re.compile(r"(?:TF Select|Custom|Flex) ops: ([\w, .]+)")
COLOUR = re.compile("\x1b\\[[0-9;]*m")
NAME_REFUSED = re.compile(
    "is not a valid (?:root )?scope name|Node name contains invalid characters|cannot contain character `/`"
)
NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.-]*")
"""Names of layers that TensorFlow takes."""
ERROR = re.compile(r"\w+(?:Error|Exception): ")
OUTER = ("in user code:", 'File "')
"""How lines begin that say where in a program something happened, not what."""
REFUSED = re.compile(r"'(?:tf|tfl)\.(\w+)' op (?:is neither a custom op nor a flex op|requires|is not)")


def unsupported_operations(text: str) -> list[str]:
    """Return the names of the operations that the converter has no built-in kernel for.

    Args:
        text: The converter's error message.

    Returns:
        Sorted names without their prefix.

    Example:
        >>> unsupported_operations("TF Select ops: Qr, Svd")
        ['Qr', 'Svd']
    """
    found = {name.strip() for names in LISTED.findall(text) for name in names.split(",")}
    return sorted({name.removeprefix("tf.") for name in found | set(REFUSED.findall(text)) if name})


def layers_at(paths: Iterable[str], model: Any) -> list[str]:
    """Return the names of the Keras layers to which nodes of a traced graph belong, the innermost known one of each.

    Args:
        paths: Names of nodes, such as "functional_1/my_layer_1/Qr".
        model: The Keras model.

    Returns:
        Layer names in the order of first appearance.
    """
    known = {layer.name for layer in model._flatten_layers(include_self=False)}
    found: dict[str, None] = {}
    for path in paths:
        for part in reversed(path.split("/")[:-1]):
            name = next((n for n in (part, re.sub(r"_\d+$", "", part)) if n in known), None)
            if name:
                found[name] = None
                break
    return list(found)


def explain(text: str, model: Any) -> str:
    """Turn a failure of the converter into one sentence or two that say where to look.

    Args:
        text: The converter's message and log.
        model: The Keras model that was converted.

    Returns:
        A message for an ExportError.
    """
    operations = unsupported_operations(text)
    nodes = [(op, path) for op, path in NODE.findall(text) if op in operations or not operations]
    layers = layers_at([path for _, path in nodes], model)
    where = f" (in {', '.join(map(repr, layers))})" if layers else ""
    if "element_shape to be static" in text:
        return f"A recurrent layer{where} needs a fixed batch; give batch_size=1, or build the layer with unroll=True."
    if operations:
        return (
            f"TFLite has no built-in operation for {', '.join(operations)}{where}. Replace what uses it by layers or "
            "keras.ops that TFLite supports, or move it out of the model; Flex (TensorFlow Select) is not used."
        )
    names = [layer.name for layer in model._flatten_layers() if not NAME.fullmatch(layer.name)]
    if names and NAME_REFUSED.search(text):
        return (
            f"TensorFlow can't convert a layer named {names[0][:100]!r}. Make the model with another name for it, "
            "of letters, digits, '_', '-', '.' (keras.models.clone_model with a clone_function, if it is trained)."
        )
    lines = [COLOUR.sub("", line).strip() for line in text.splitlines()]
    told = [line for line in lines if line and not line.startswith((WRAPPER, *OUTER))]
    first = next((line for line in told if ERROR.match(line)), told[0] if told else "no message")
    return f"The conversion failed{where}: {first[:400]}"
