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
        stack.extend((f"{name}/{own}".lstrip("/"), child) for own, child in reversed(list(named(children))))


def named(layers: list[keras.Layer]) -> Iterator[tuple[str, keras.Layer]]:
    """Yield layers with their names, numbered from the second on where others have the same: `conv`, `conv#2`."""
    counts: dict[str, int] = {}
    for layer in {id(layer): layer for layer in layers}.values():
        counts[layer.name] = count = counts.get(layer.name, 0) + 1
        yield (layer.name if count == 1 else f"{layer.name}#{count}"), layer


def own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """Return the weights that a layer made itself, not those of its sublayers and not metrics or random seeds."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]
