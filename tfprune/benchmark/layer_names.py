"""The Keras layers that an operation comes from, by the names that the converter gave its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["layer_names"]

_AGAIN = "_1"  # Keras names its scopes anew when it traces a model for the converter: conv becomes conv_1
_INNER = ("batchnorm",)  # scopes inside of a layer


def layer_names(tensors: Sequence[Iterable[str]]) -> list[tuple[str, ...]]:
    """Return the Keras layers of each operation of a file.

    A converted tensor is called after all that was fused into it: "net_1/relu_1/Relu;net_1/conv_1/convolution". The
    first part of each name is the model, the last the operation, what is between is the layer. The "_1" that Keras
    adds is taken off if the outputs of all operations have it; a layer whose own name ends so in a file without is not
    affected.

    Args:
        tensors: Of each operation the names of its output and, in case that tells nothing, of its constants.

    Returns:
        Of each operation the layers, without those that can't be told.

    Example:
        >>> layer_names([["net_1/relu_1/Relu;net_1/conv_1/convolution"], ["Call:0", "net_1/head_1/MatMul"]])
        [('relu', 'conv'), ('head',)]
    """
    scopes = [[_scopes(name) for name in names] for names in tensors]
    outputs = [scope for names in scopes for scope in (names[0] if names else [])]
    every = outputs or [scope for names in scopes for found in names for scope in found]
    traced_again = bool(every) and all(model.endswith(_AGAIN) and layer.endswith(_AGAIN) for model, layer, *_ in every)
    found = []
    for names in scopes:
        told = [[_layer(scope, traced_again) for scope in each] for each in names]
        kept = next(([name for name in each if name] for each in told if any(each)), [])
        found.append(tuple(dict.fromkeys(kept)))
    return found


def _scopes(name: str) -> list[list[str]]:
    """The model and layers of each part of a name that has any."""
    parts = [re.sub(r":\d+$", "", part).split("/")[:-1] for part in name.split(";")]
    return [part for part in parts if len(part) > 1]


def _layer(scope: list[str], traced_again: bool) -> str:
    if traced_again:
        return "/".join(part.removesuffix(_AGAIN) for part in scope[1:] if part.endswith(_AGAIN))
    return "/".join(part for part in scope[1:] if part not in _INNER)
