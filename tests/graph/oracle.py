"""The oracle: a network cut down equals the whole one in which everything that goes with the channels is zero."""

from __future__ import annotations

import keras
import numpy as np

from tfprune.graph import Graph, trace
from tfprune.surgery import cut_graph


def scramble(model, seed=0):
    """Give all weights non-trivial values: statistics, biases and scales too."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if not keras.backend.is_float_dtype(variable.dtype):
            continue
        name = variable.name
        if "variance" in name:
            values = rng.uniform(0.5, 2.0, shape)
        elif "gamma" in name or name == "scale":
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) < 2:
            values = rng.normal(0, 0.2, shape)
        else:
            fan = np.prod(shape) / shape[-1]
            values = rng.normal(0, 1.3 / np.sqrt(fan), shape)
        variable.assign(values)
    return model


def choose(graph: Graph, seed=0, low=0.3, high=0.5, exact=True):
    """Choose 30 to 50 % of the channels of each group that can be pruned."""
    rng = np.random.default_rng(seed)
    chosen = {}
    for group in graph.prunable:
        if (exact and group.inexact) or group.size < 2:
            continue
        count = min(max(round(rng.uniform(low, high) * group.size), 1), group.size - 1)
        chosen[group.name] = sorted(rng.permutation(group.size)[:count].tolist())
    return chosen


def zero(graph: Graph, chosen):
    """Set the slices of the chosen channels to zero, in place."""
    values = {}
    variables = {}
    for name, numbers in chosen.items():
        for entry in graph.group(name).slices:
            key = id(entry.variable)
            variables[key] = entry.variable
            array = values.setdefault(key, np.array(entry.variable.numpy()))
            index = [slice(None)] * array.ndim
            index[entry.axis] = entry.positions[numbers].reshape(-1)
            array[tuple(index)] = 0
    for key, array in values.items():
        variables[key].assign(array)


def random_inputs(model, seed=0, batch=2):
    """Return random inputs in the structure that the model takes."""
    rng = np.random.default_rng(seed)

    def one(tensor):
        shape = [batch if n == 0 else (size or 12) for n, size in enumerate(tensor.shape)]
        if not keras.backend.is_float_dtype(tensor.dtype):
            return rng.integers(0, 8, shape).astype(tensor.dtype)
        return rng.normal(0, 1, shape).astype(tensor.dtype)

    structure = getattr(getattr(model, "_functional", None) or model, "_inputs_struct", None)
    return keras.tree.map_structure(one, structure if structure is not None else model.inputs)


def difference(left, right):
    """Return the largest difference of two structures of outputs, relative to their scale."""
    worst = 0.0
    for a, b in zip(keras.tree.flatten(left), keras.tree.flatten(right), strict=True):
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        assert a.shape == b.shape, (a.shape, b.shape)
        assert np.isfinite(a).all()
        worst = max(worst, float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-12)))
    return worst


def check_oracle(model, *, seed=0, inputs=None, chosen=None, tolerance=1e-5, groups=None, exact=True):
    """Assert the oracle for a model; return the graph, what was removed and the smaller model."""
    scramble(model, seed)
    graph = trace(model)
    if chosen is None:
        chosen = choose(graph, seed, exact=exact)
    if groups is not None:
        chosen = {name: numbers for name, numbers in chosen.items() if name in groups}
    small = cut_graph(graph, chosen)
    x = random_inputs(model, seed) if inputs is None else inputs
    got = small(x)
    zero(graph, chosen)
    expected = model(x)
    error = difference(expected, got)
    assert error < tolerance, f"outputs differ by {error:.2e}"
    return graph, chosen, small
