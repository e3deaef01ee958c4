"""A Keras model of some operations of a traced network, with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfprune.errors import InputError
from tfprune.graph import Cut, Graph, Node
from tfprune.graph.weight import ForEachSample
from tfprune.partition.chain import Chain, Flowing
from tfprune.surgery.rebuild import Rebuilt, uncollected

__all__ = ["StageModel", "handed_over", "make_stage"]


class StageModel(Rebuilt):
    """A model of some operations under construction: what `tfprune.surgery` does to a whole graph, for a part of it.

    Args:
        graph: The whole network.
        chain: It as a row.
        nodes: Numbers of the operations, in the order in which they run.
        inputs: What it gets.
        outputs: What it gives.
        name: Name of the model.
        cut: What it has of the network's channels; None for all.
    """

    def __init__(
        self,
        graph: Graph,
        chain: Chain,
        nodes: Sequence[int],
        inputs: Sequence[Flowing],
        outputs: Sequence[Flowing],
        name: str,
        cut: Cut | None = None,
    ) -> None:
        super().__init__(graph, graph.cut([]) if cut is None else cut)
        self._chain, self._nodes, self._name_of_model = chain, nodes, name
        self._given, self._wanted = inputs, outputs

    def _build(self) -> keras.Model:
        if not self._given:
            raise InputError(
                f"The stage {self._name_of_model!r} needs nothing of the inputs: its outputs are weights alone. Give "
                "fewer stages."
            )
        inputs = {}
        for one in self._given:
            self._names.add(one.name)
            made = keras.Input(batch_shape=self.cut.shape(one.tensor), dtype=one.tensor.dtype, name=one.name)
            inputs[one.name] = self.tensors[one.tensor.index] = made
        self._anchor = next(iter(inputs.values()))
        done: set[int] = set()
        for number in self._nodes:
            for one_number in (*self._chain.helpers(number), number):
                if one_number not in done and (one_number == number or self._chain.static[one_number]):
                    done.add(one_number)
                    self._run(self.graph.nodes[one_number])
        outputs = {one.name: self.tensors[one.tensor.index] for one in self._wanted}
        return keras.Model(inputs, outputs, name=self._name_of_model)

    def _run(self, node: Node) -> None:
        if isinstance(node.operation, ForEachSample):  # any tensor with the batch will do
            batch = self.tensors.get(node.args[1].index, self._anchor)
            made: Any = node.operation.call(self._argument(node.args[0]), batch)
            self.tensors[node.results[0].index] = made
        else:
            super()._run(node)


def handed_over(chain: Chain, nodes: Sequence[int]) -> tuple[list[Flowing], list[Flowing]]:
    """Return what some operations get from others or from outside, and what they make for others or as an output."""
    inside = {number for number in nodes if not chain.static[number]}
    place = {number: position for position, number in enumerate(chain.order)}
    positions = {place[number] for number in inside}
    read = {x.index for number in inside for x in chain.reads(number)}
    outside = {x.index for number in chain.order if number not in inside and not chain.static[number]
               for x in chain.reads(number)}  # fmt: skip
    flowing = sorted(chain.flowing.values(), key=lambda x: (x.made, x.tensor.index))
    inputs = [x for x in flowing if x.tensor.index in read and x.made not in positions]
    outputs = [x for x in flowing if x.made in positions and (x.output or x.tensor.index in outside)]
    return inputs, outputs


def make_stage(chain: Chain, nodes: Sequence[int], name: str, cut: Cut | None = None) -> keras.Model:
    """Return the model of some operations; its inputs and outputs are dicts by the names of tensors."""
    inputs, outputs = handed_over(chain, nodes)
    construction = StageModel(chain.graph, chain, nodes, inputs, outputs, name, cut)
    with uncollected():
        return construction._build()
