"""Recurrent layers: a unit has a column in each gate of both kernels, and a row of the recurrent one."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from keras import layers

from tfprune.graph.cut import Cut
from tfprune.graph.labels import Axis
from tfprune.graph.node import Node
from tfprune.graph.rules.activation import is_mixing, is_silent
from tfprune.graph.rules.base import Rule, register_rule
from tfprune.graph.rules.convolution import filled, spatial_free
from tfprune.graph.rules.normalization import beyond, changed, inside
from tfprune.graph.walk import Flow, Walk

GATES: dict[type, int] = {layers.LSTM: 4, layers.GRU: 3, layers.SimpleRNN: 1}
CELLS: dict[type, int] = {layers.LSTMCell: 4, layers.GRUCell: 3, layers.SimpleRNNCell: 1}


def gates_of(layer: Any) -> int:
    """Return how many gates a recurrent layer has; a convolutional one has four."""
    known = {**GATES, **CELLS}
    return next((n for cls, n in known.items() if isinstance(layer, cls) or isinstance(layer.cell, cls)), 4)


def bind_cell(walk: Walk, layer: Any, inputs: Axis, given: list[Flow]) -> Axis:
    """Bind the kernels of a recurrent cell, and return the labels of its units."""
    cell: Any = layer.cell
    gates = gates_of(layer)
    walk.bind(cell.kernel, -2, inputs)
    units = walk.axis(cell.recurrent_kernel, -2)
    tiled = None if units is None else np.tile(units, gates)
    for kernel in (cell.kernel, cell.recurrent_kernel):
        walk.bind(kernel, -1, tiled)
        walk.made_by(kernel, tiled)
    if cell.bias is not None:
        walk.bind(cell.bias, -1, tiled)
    for name in ("activation", "recurrent_activation"):
        activation: Any = getattr(cell, name, None)
        if is_mixing(activation):
            walk.fix([units], f"{layer.name} has a {activation.__name__} over all of them")
    for state in given:
        own = [axis for axis in state.axes[1:] if axis is not None]
        walk.same(units, own[0] if own else None, f"{layer.name} begins in a state that keeps its size")
    return units


def count_cell(walk: Walk, layer: Any, places: int | None, inputs: Axis, units: Axis) -> None:
    """Count a recurrent cell's multiply-accumulates: each gate reads inputs and units at each place."""
    cell, factor = layer.cell, times(places, gates_of(layer))
    width, size = cell.kernel.shape[-2], cell.recurrent_kernel.shape[-2]
    walk.count(factor, inputs, units, sizes=[width, size], kernel=cell.kernel)
    walk.count(factor, units, units, sizes=[size, size], kernel=cell.recurrent_kernel)


@register_rule(layers.LSTM, layers.GRU, layers.SimpleRNN, layers.RNN)
class RecurrentRule(Rule):
    """LSTM, GRU and SimpleRNN, also as a cell in an `RNN`."""

    def propagate(self, node: Node, walk: Walk) -> Flow | list[Flow]:
        """Bind the cell, make the units."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        walk.fix([x.axes[1]], f"{node.path} steps over them")
        given = initial_states(node, walk)
        units = bind_cell(walk, layer, x.axes[-1], given)
        count_cell(walk, layer, node.inputs[0].shape[1], x.axes[-1], units)
        silent = is_silent(layer.cell.activation) and all(state.silent for state in given)
        sequence = Flow((None, None, units) if layer.return_sequences else (None, units), silent, x.why)
        states = [Flow((None, units), silent) for _ in node.results[1:]]
        return [sequence, *states]

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new number of units."""
        layer: Any = node.operation
        units = cut.size(layer.cell.recurrent_kernel, -2)
        if type(layer).call is not layers.RNN.call:
            return {"units": units}
        return {"cell": changed(layer.cell, {"units": units})}

    def check(self, node: Node) -> str | None:
        """Refuse a layer that keeps its state between batches, and cells of other kinds."""
        layer: Any = node.operation
        if type(layer).call is layers.RNN.call and type(layer.cell) not in CELLS:
            return f"there is no rule for its {type(layer.cell).__name__}"
        return "it keeps its state between batches" if layer.stateful else None


def initial_states(node: Node, walk: Walk) -> list[Flow]:
    """Return the labels of the states that a call begins in."""
    states = keras.tree.flatten(node.argument(1, "initial_state", default=None) or [])
    return [walk.flow(state) for state in states if state is not None and hasattr(state, "index")]


def times(steps: int | None, factor: int) -> int | None:
    """Multiply what may not be known."""
    return None if steps is None else steps * factor


@register_rule(layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)
class ConvLSTMRule(Rule):
    """An LSTM whose products are convolutions."""

    def propagate(self, node: Node, walk: Walk) -> Flow | list[Flow]:
        """Bind the cell, make the filters."""
        layer: Any = node.operation
        x = walk.flow(node.inputs[0])
        rank = len(x.axes)
        axis = 2 if layer.data_format == "channels_first" else rank - 1
        given = initial_states(node, walk)
        units = bind_cell(walk, layer, spatial_free(node, walk, x, axis), given)
        shape = node.results[0].shape
        sizes = [s for n, s in enumerate(shape) if n and n != len(shape) - (rank - axis)]
        steps = None if layer.return_sequences else node.inputs[0].shape[1]
        places = (
            None if None in sizes else math.prod(s or 0 for s in sizes) * (1 if layer.return_sequences else steps or 1)
        )
        count_cell(walk, layer, times(places, math.prod(layer.kernel_size)), x.axes[axis], units)
        silent = is_silent(layer.activation) and all(state.silent for state in given)
        from_end = rank - axis
        return [Flow(filled(t.rank, t.rank - from_end, units), silent, x.why) for t in node.results]

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the new number of filters."""
        return {"filters": cut.size(node.operation.cell.recurrent_kernel, -2)}

    def check(self, node: Node) -> str | None:
        """Refuse a layer that keeps its state between batches."""
        return "it keeps its state between batches" if node.operation.stateful else None


@register_rule(layers.Bidirectional)
class BidirectionalRule(Rule):
    """A recurrent layer and its mirror image."""

    def propagate(self, node: Node, walk: Walk) -> Flow | list[Flow]:
        """Let each direction's units be its own, and join them."""
        layer: Any = node.operation
        flows = []
        x = walk.flow(node.inputs[0])
        walk.fix([x.axes[1]], f"{node.path} steps over them")
        for direction in (layer.forward_layer, layer.backward_layer):
            units = bind_cell(walk, direction, x.axes[-1], [])
            count_cell(walk, direction, node.inputs[0].shape[1], x.axes[-1], units)
            flows.append(
                Flow((*(None,) * (2 if layer.return_sequences else 1), units), is_silent(direction.activation))
            )
        if layer.merge_mode is None:
            return flows
        first, second = (flow.axes[-1] for flow in flows)
        if first is not None:
            walk.same(first, second, node.path)  # Keras takes it that both directions have as many units
        silent = all(flow.silent for flow in flows)
        if layer.merge_mode == "concat":
            joined: Axis = None
            if first is not None and second is not None:
                joined = np.concatenate([first, second])
        else:
            joined = first
        return Flow((*flows[0].axes[:-1], joined), silent)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return both directions, made anew."""
        layer: Any = node.operation
        return {
            name: changed(direction, {"units": cut.size(direction.cell.recurrent_kernel, -2)})
            for name, direction in (("layer", layer.forward_layer), ("backward_layer", layer.backward_layer))
        }

    def check(self, node: Node) -> str | None:
        """Refuse other layers than LSTM, GRU and SimpleRNN, states in and out, and statefulness."""
        layer: Any = node.operation
        if not all(type(d) in GATES for d in (layer.forward_layer, layer.backward_layer)):
            return f"there is no rule for {type(layer.forward_layer).__name__} in both directions"
        if layer.return_state or layer.stateful or node.argument(1, "initial_state") is not None:
            return "it passes states"
        return None


@register_rule(layers.TimeDistributed)
class TimeDistributedRule(Rule):
    """The layer inside, at every step."""

    def propagate(self, node: Node, walk: Walk) -> Flow:
        """Let the inner layer's rule work on one step."""
        x = walk.flow(node.inputs[0])
        walk.fix([x.axes[1]], f"{node.path} steps over them")
        inner, rule = self._inner(node)
        walk.flows[inner.inputs[0].index] = Flow((x.axes[0], *x.axes[2:]), x.silent, x.why)
        before = len(walk.macs.get(walk.position, []))
        flow = rule.propagate(inner, walk)
        steps = node.inputs[0].shape[1]
        terms = walk.macs.get(walk.position, [])
        if steps is None:
            del terms[before:]
        else:
            terms[before:] = [dataclasses.replace(term, factor=term.factor * steps) for term in terms[before:]]
        assert isinstance(flow, Flow)
        walk.flows[inner.results[0].index] = flow
        return Flow((flow.axes[0], None, *flow.axes[1:]), flow.silent, flow.why)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the inner layer, made anew."""
        inner, rule = self._inner(node)
        return {"layer": changed(inner.operation, rule.config(inner, cut))}

    def check(self, node: Node) -> str | None:
        """Refuse layers without a rule, and those whose new size depends on their tensors."""
        return "its step is a model" if isinstance(node.operation.layer, keras.Model) else beyond(node)

    def _inner(self, node: Node) -> tuple[Node, Rule]:
        """Return the call of the inner layer on one step, whose tensors nobody else has."""
        inner, rule = inside(node)

        def one_step(tensor: Any) -> Any:
            shape = (tensor.shape[0], *tensor.shape[2:])
            return dataclasses.replace(tensor, index=-1 - tensor.index, shape=shape)

        args = (one_step(node.inputs[0]),)
        return dataclasses.replace(inner, args=args, kwargs={}, outputs=one_step(node.results[0])), rule
