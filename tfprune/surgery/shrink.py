"""`tfprune.shrink`: channels really removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tfprune.arguments import named_arguments
from tfprune.errors import InputError, nearest
from tfprune.graph.blocks import Block
from tfprune.graph.graph import Graph, trace
from tfprune.surgery.compiled import carry_compilation, carry_optimizer
from tfprune.surgery.dead import dead_channels, is_closed
from tfprune.surgery.rebuild import Rebuilt

__all__ = ["cut_graph", "shrink"]


@named_arguments()
def shrink(
    model: keras.Model,
    remove: Mapping[str, Sequence[int]] | None = None,
    *,
    drop: Sequence[str] | None = None,
    optimizer: bool = False,
) -> keras.Model:
    """Return a smaller model without some channels or residual blocks: a plain functional model of stock Keras layers.

    Whatever goes with a channel goes: the filter, its bias and normalisation, and what reads it. The new model computes
    what the old one does when all that is zero. It has the same layer names, inputs and outputs, is compiled alike, and
    loads where tfprune is not installed. The given model is only read.

    A composite or subclassed layer of your own comes back as the layers and operations that it calls at inference; one
    that then does nothing, such as stochastic depth, is kept as it is.

    Args:
        model: A built model of any kind.
        remove: Numbers of the channels to remove, by the name of their group (`tfprune.graph.trace(model).groups`).
            None removes the channels whose weights are all zero, as `PruneCallback(granularity="filter")` leaves them,
            where that changes no output.
        drop: Names of the residual blocks to leave out (`tfprune.graph.trace(model).blocks`). None, where `remove` is
            None too, leaves out those whose branch is zero, as `PruneCallback(granularity="layer")` leaves them.
        optimizer: Whether the new optimizer remembers what the old one did (momenta, step count), to go on training.

    Returns:
        The smaller model; a copy if there is nothing to remove.

    Raises:
        InputError: If the model is not built or can't be traced, a group is unknown or may not be pruned, a channel is
            out of range, or none would be left.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> shrink(model, {"conv": [0, 2]}).get_layer("conv").filters
        2
    """
    graph = trace(model)
    blocks = {block.name: block for block in graph.blocks}
    for name in drop or ():
        if name not in blocks:
            raise InputError(f"There is no residual block {name!r} to leave out. {nearest(name, blocks)}")
    gone = [blocks[name] for name in drop or ()]
    if remove is None and drop is None:
        gone = [block for block in graph.blocks if is_closed(block)]
    if remove is None and drop is not None:
        chosen = {}
    elif remove is None:
        exact = [group for group in graph.prunable if group.inexact is None]
        chosen = {group.name: dead_channels(group).tolist() for group in exact}
        chosen = {
            name: numbers if len(numbers) < graph.group(name).size else numbers[1:] for name, numbers in chosen.items()
        }  # a group that is dead altogether keeps one
    else:
        chosen = {name: check(graph, name, numbers) for name, numbers in remove.items()}
    return cut_graph(graph, chosen, gone, optimizer=optimizer)


def cut_graph(
    graph: Graph, remove: Mapping[str, Sequence[int]], drop: Sequence[Block] = (), *, optimizer: bool = False
) -> keras.Model:
    """Return the model that is left of a graph without some channels and blocks.

    Args:
        graph: The graph.
        remove: Numbers of the channels to remove, by the name of their group.
        drop: Residual blocks to leave out.
        optimizer: Whether the new optimizer remembers what the old one did.

    Returns:
        The smaller model.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(2)])
        >>> graph = tfprune.graph.trace(model)
        >>> cut_graph(graph, {"hidden": [0, 3]}).get_layer("hidden").units
        2
    """
    gone = [int(label) for name, numbers in remove.items() for label in graph.group(name).labels[list(numbers)]]
    construction = Rebuilt(graph, graph.cut(gone), drop)
    model = construction.model()
    carry_compilation(graph.model, model)
    if optimizer:
        carry_optimizer(graph.model, model, construction)
    return model


def check(graph: Graph, name: str, numbers: Sequence[int]) -> list[int]:
    """Return the distinct channel numbers of a group, refusing what can't be removed."""
    group = graph.group(name)
    wanted = np.unique(np.asarray(numbers, dtype=np.int64))
    if not len(wanted):
        return []
    if not group.prunable:
        raise InputError(f"The group {name!r} can't be pruned: {group.reason}.")
    if wanted[0] < 0 or wanted[-1] >= group.size:
        raise InputError(f"The group {name!r} has the channels 0 to {group.size - 1}; {wanted.tolist()} was given.")
    if len(wanted) == group.size:
        raise InputError(f"All {group.size} channels of {name!r} would go; keep at least one.")
    return list(map(int, wanted))
