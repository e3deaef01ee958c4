"""The oracle: a network cut down equals the whole one in which everything that goes with the channels is zero."""

from __future__ import annotations

import contextlib
import functools

import keras
import numpy as np

from tfprune.graph import Graph, trace
from tfprune.graph.tree import walk
from tfprune.surgery import cut_graph


@contextlib.contextmanager
def double():
    """Make models of float64 while the block runs: cut and zeroed ones agree to about 1e-14 then, however deep."""
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


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
            depthwise = len(shape) > 2 and shape[-1] == 1
            fan = np.prod(shape[:-2]) if depthwise else np.prod(shape[:-1])
            values = rng.normal(0, 1.3 / np.sqrt(fan), shape)
        variable.assign(values)
    for _, layer in walk(model):
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.finalize_state()  # it computes with copies of its weights
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


def enliven(model, graph, chosen, inputs):
    """Give batch normalisations the statistics of what they see when the chosen channels are zero.

    With random statistics signals die out along a deep network: its outputs are those of its biases, whatever the
    inputs, and a wrong channel would go unnoticed.
    """
    norms = [layer for _, layer in walk(model) if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    before = [(variable, variable.numpy()) for variable in model.weights]
    zero(graph, chosen)
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model(inputs, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    seen = {id(v): v.numpy() for layer in norms for v in (layer.moving_mean, layer.moving_variance)}
    for variable, values in before:
        variable.assign(values)
    for layer in norms:
        alive = seen[id(layer.moving_variance)] > 1e-6
        for variable in (layer.moving_mean, layer.moving_variance):
            variable.assign(np.where(alive, seen[id(variable)], variable.numpy()))


def liveliness(outputs):
    """Return how much outputs differ between samples, relative to their scale; the least of several outputs."""
    flat = [np.asarray(y, dtype=np.float64) for y in keras.tree.flatten(outputs)]
    return min(float(np.abs(y - y[:1]).max() / max(np.abs(y).max(), 1e-12)) for y in flat)


def random_inputs(model, seed=0, batch=2):
    """Return random inputs in the structure that the model takes; samples differ in mean and contrast, as images do."""
    rng = np.random.default_rng(seed)

    def one(tensor):
        shape = [batch if n == 0 else (size or 12) for n, size in enumerate(tensor.shape)]
        if not keras.backend.is_float_dtype(tensor.dtype):
            return rng.integers(0, 8, shape).astype(tensor.dtype)
        each = [batch] + [1] * (len(shape) - 2) + shape[-1:] if len(shape) > 1 else shape
        return (rng.normal(0, 1, shape) * rng.uniform(0.5, 1.5, each) + rng.normal(0, 1, each)).astype(tensor.dtype)

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


def labels_of(graph: Graph, chosen):
    """Return the labels of the chosen channels."""
    return [int(graph.group(name).labels[number]) for name, numbers in chosen.items() for number in numbers]


@contextlib.contextmanager
def kept_only(graph: Graph, chosen):
    """Let what is inexact look at the kept channels alone: normalisations over channels, and extremes."""
    cut = graph.cut(labels_of(graph, chosen))
    patched = []
    for node in graph.nodes:
        operation = node.operation.layer if node.kind == "TimeDistributed" else node.operation
        replacement = REPLACEMENTS.get(type(operation).__name__)
        if replacement is None or node.opaque:
            continue
        masks = []
        for labels, size in zip(cut.axes(node.inputs[0]), node.inputs[0].shape, strict=True):
            kept = None if labels is None else np.array([cut.count(labels[[n]]) for n in range(size)])
            masks.append(None if kept is None or kept.all() else kept)
        if any(mask is not None for mask in masks):
            masks = masks if operation is node.operation else [masks[0], *masks[2:]]
            object.__setattr__(operation, "call", functools.partial(replacement, operation, masks))
            patched.append(operation)
    try:
        yield
    finally:
        for operation in patched:
            operation.__dict__.pop("call", None)


def weights_of(x, masks, axes):
    """Return 1 for each kept position of some axes of a tensor and 0 for each removed one, in its shape."""
    weights = keras.ops.ones_like(x)
    for axis in axes:
        if masks[axis] is not None:
            shape = [1] * len(x.shape)
            shape[axis] = -1
            weights *= masks[axis].reshape(shape).astype("float32")
    return weights


def masked_layer_normalization(layer, masks, x):
    """Layer normalisation with the mean and variance of the kept channels."""
    axes = tuple([layer.axis] if isinstance(layer.axis, int) else layer.axis)
    weights = weights_of(x, masks, axes)
    count = keras.ops.sum(weights, axes, keepdims=True)
    mean = keras.ops.sum(x * weights, axes, keepdims=True) / count
    variance = keras.ops.sum(weights * (x - mean) ** 2, axes, keepdims=True) / count
    y = (x - mean) / keras.ops.sqrt(variance + layer.epsilon) * weights
    shape = [size if axis in [a % len(x.shape) for a in axes] else 1 for axis, size in enumerate(x.shape)]
    y = y if layer.gamma is None else y * keras.ops.reshape(layer.gamma, shape)
    return y if layer.beta is None else y + keras.ops.reshape(layer.beta, shape)


def masked_group_normalization(layer, masks, x):
    """Group normalisation with the mean and variance of the kept channels."""
    channels = x.shape[-1]
    grouped = (*x.shape[:-1], layer.groups, channels // layer.groups)
    axes = (*range(1, len(x.shape) - 1), len(x.shape))
    weights = keras.ops.reshape(weights_of(x, masks, [-1]), grouped)
    y = keras.ops.reshape(x, grouped)
    count = keras.ops.maximum(keras.ops.sum(weights, axes, keepdims=True), 1)  # a group may be gone altogether
    mean = keras.ops.sum(y * weights, axes, keepdims=True) / count
    variance = keras.ops.sum(weights * (y - mean) ** 2, axes, keepdims=True) / count
    y = keras.ops.reshape((y - mean) / keras.ops.sqrt(variance + layer.epsilon) * weights, x.shape)
    y = y if layer.gamma is None else y * layer.gamma
    return y if layer.beta is None else y + layer.beta


def masked_max(operation, masks, x):
    """The largest of the kept positions."""
    weights = weights_of(x, masks, range(len(x.shape)))
    return keras.ops.max(x * weights - 1e9 * (1 - weights), axis=operation.axis, keepdims=operation.keepdims)


REPLACEMENTS = {
    "LayerNormalization": masked_layer_normalization,
    "GroupNormalization": masked_group_normalization,
    "Max": masked_max,
}


def check_oracle(model, *, seed=0, inputs=None, chosen=None, tolerance=1e-5, groups=None, exact=True, lively=False):
    """Assert the oracle for a model; return the graph, what was removed and the smaller model.

    A deep model is `lively`: its outputs have to depend on its inputs, or the comparison would show nothing.
    """
    scramble(model, seed)
    graph = trace(model)
    if chosen is None:
        chosen = choose(graph, seed, exact=exact)
    if groups is not None:
        chosen = {name: numbers for name, numbers in chosen.items() if name in groups}
    x = random_inputs(model, seed) if inputs is None else inputs
    enliven(model, graph, chosen, random_inputs(model, seed + 1, batch=8) if inputs is None else inputs)
    small = cut_graph(graph, chosen)
    got = small(x, training=False)  # said so: behind a Resizing, a BatchNormalization trains otherwise
    zero(graph, chosen)
    with kept_only(graph, chosen):
        expected = model(x, training=False)
    error = difference(expected, got)
    assert error < tolerance, f"outputs differ by {error:.2e}"
    assert not lively or liveliness(expected) > 100 * tolerance, "the outputs hardly depend on the inputs"
    return graph, chosen, small


def made_by(graph: Graph, name):
    """Return the group of a name, else the groups that a layer of this name makes."""
    exact = [group for group in graph.groups if group.name == name]
    if exact and "#" in name:
        return exact
    return [group for group in graph.groups if group in exact or name in group.layers]


def check_cut(model, *names, held=(), copied=False, **options):
    """Assert the oracle, that what these layers make lost channels, and that what those in `held` make did not.

    Names are of groups or layers. `copied` says that a shared weight becomes two, so that the model may grow.
    """
    graph, chosen, small = check_oracle(model, **options)
    for name in names:
        groups = made_by(graph, name)
        assert groups, f"there is no {name}: {[group.name for group in graph.groups]}"
        assert any(group.prunable for group in groups), f"{name} is kept: {groups[0].reason}"
        assert any(chosen.get(group.name) for group in groups), f"nothing of {name} was removed"
    for name in held:
        assert not any(group.prunable for group in made_by(graph, name)), f"{name} can be pruned"
    if names and not copied:
        assert small.count_params() < model.count_params()
    return graph, chosen, small
