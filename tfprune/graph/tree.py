"""Every layer of a model, however deeply nested, with a name that tells it from all others."""

from __future__ import annotations

from collections.abc import Iterator

import keras

__all__ = ["own_variables", "walk"]


def walk(root: keras.Layer, path: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """Yield each layer once with its path, such as `"encoder/block_1/conv"`, parents first, in the order of creation.

    Args:
        root: A model or layer; yielded too, with the path `""`.
        path: Path of `root`.
    """
    seen: set[int] = set()
    stack = [(path, root)]
    while stack:
        name, layer = stack.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield name, layer
        children = [child for child in layer._layers if isinstance(child, keras.Layer)]
        stack.extend((f"{name}/{child.name}".lstrip("/"), child) for child in reversed(children))


def own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """Return the weights that a layer made itself, not those of its sublayers and not metrics or random seeds."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]
