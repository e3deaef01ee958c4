"""The first and the last layers of a model: few weights, much harm, so pruning leaves them alone by default."""

from __future__ import annotations

from collections.abc import Iterable

import keras

from tfprune.graph.tree import walk

__all__ = ["first_and_last"]


def first_and_last(model: keras.Layer, kernel_layers: set[int]) -> tuple[set[int], set[int]]:
    """Find the layers with kernels that nothing with a kernel comes before, or after.

    A functional model is asked for its graph, so a network with several inputs or outputs has several of each; in any
    other model the order of creation is what is known.

    Args:
        model: A built model.
        kernel_layers: `id` of each layer that owns a kernel.

    Returns:
        The `id`s of the first layers, and of the last.
    """
    order = topological(model)
    first: set[int] = set()
    last: set[int] = set()
    if order is None:
        leaves = leaves_with_kernels([model], kernel_layers)
        return set(leaves[:1]), set(leaves[-1:])
    for found, edges in ((first, order), (last, reverse(order))):
        preceded: set[int] = set()
        for operation, parents in edges:
            leaves = leaves_with_kernels([operation], kernel_layers)
            below = any(id(parent) in preceded for parent in parents)
            if leaves and not below:
                found |= inner_ends(operation, kernel_layers)[0 if found is first else 1]
            if leaves or below:
                preceded.add(id(operation))
    return first, last


Edges = list[tuple[keras.Operation, list[keras.Operation]]]


def topological(model: keras.Layer) -> Edges | None:
    """Return a model's operations with the operations that feed each, inputs first; None if it has no graph.

    A layer that is called several times counts once, with all that feeds it.
    """
    if isinstance(model, keras.Sequential):
        chain = list(model.layers)
        return [(layer, chain[i - 1 : i] if i else []) for i, layer in enumerate(chain)]
    if not hasattr(model, "_nodes_by_depth"):
        return None
    parents: dict[int, tuple[keras.Operation, list[keras.Operation]]] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            _, feeds = parents.setdefault(id(node.operation), (node.operation, []))
            feeds.extend(parent.operation for parent in node.parent_nodes)
    return list(parents.values())


def reverse(edges: Edges) -> Edges:
    """Turn every arrow round."""
    children: dict[int, list[keras.Operation]] = {id(operation): [] for operation, _ in edges}
    for operation, parents in edges:
        for parent in parents:
            children[id(parent)].append(operation)
    return [(operation, children[id(operation)]) for operation, _ in reversed(edges)]


def leaves_with_kernels(operations: Iterable[keras.Operation], kernel_layers: set[int]) -> list[int]:
    """Return the `id`s of the layers with kernels in some operations, in the order of creation."""
    layers = [layer for op in operations if isinstance(op, keras.Layer) for _, layer in walk(op)]
    return [id(layer) for layer in layers if id(layer) in kernel_layers]


def inner_ends(operation: keras.Operation, kernel_layers: set[int]) -> tuple[set[int], set[int]]:
    """Return the first and the last layers inside one operation of a graph.

    A layer of Keras' own that is made of several (attention, a bidirectional LSTM) counts as one.
    """
    if not isinstance(operation, keras.Model) and type(operation).__module__.startswith("keras."):
        leaves = set(leaves_with_kernels([operation], kernel_layers))
        return leaves, leaves
    return first_and_last(operation, kernel_layers)
