"""Running a network with some of its tensors changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import tree
from numpy.typing import NDArray

from tfprune.analysis.samples import arrays_of, class_numbers
from tfprune.backend import need_tensorflow
from tfprune.errors import InputError
from tfprune.graph import Graph
from tfprune.refit.execution import calls
from tfprune.refit.measure import likeness
from tfprune.refit.network import Network
from tfprune.statistics.examples import Examples

__all__ = ["Change", "Effects", "run_changed"]

need_tensorflow(__name__)

Change = Callable[[Any, Mapping[int, Any]], Any]
"""Makes of a tensor another of its shape; it may look at the tensors before it, by the graph's numbers."""


def run_changed(
    network: Network, wanted: Sequence[int], given: Mapping[int, Any], changes: Mapping[int, Change]
) -> list[Any]:
    """Return the values of some tensors when others are changed on the way.

    Args:
        network: The network.
        wanted: Numbers of tensors.
        given: Values of the inputs, by their numbers.
        changes: What is made of some tensors, by their numbers.
    """
    numbers = {id(symbol): index for index, symbol in network.tensors.items()}
    symbols = [network.tensors[index] for index in wanted]
    needed = [network.tensors[index] for index in changes]
    by_symbol = {id(network.tensors[index]): value for index, value in given.items()}
    by_number = dict(given)
    for node in calls([*symbols, *needed], by_symbol):
        args, kwargs = node.arguments.fill_in(by_symbol)
        if "training" in kwargs:
            kwargs["training"] = False
        outputs = tree.flatten(node.operation(*args, **kwargs))
        for symbol, made in zip(node.outputs, outputs, strict=True):
            index = numbers.get(id(symbol))
            value = made
            if index is not None:
                if index in changes:
                    value = changes[index](made, by_number)
                by_number[index] = value
            by_symbol[id(symbol)] = value
    return [by_symbol[id(symbol)] for symbol in symbols]


class Effects:
    """What changes of a network's tensors do to its loss or outputs, on the same samples again and again.

    The changes are given once; each measurement says how strong each of them is. So the network is compiled once.

    Args:
        graph: The graph of the model.
        examples: The samples. With labels, and a compiled model, the loss is measured; else the squared difference of
            the outputs relative to their variance.
        make: Makes the changes, by numbers of tensors, from the strengths, a tensor (changes,), and the number of the
            batch.
        loss: Whether to measure the loss; None does so where it is known.
    """

    def __init__(
        self,
        graph: Graph,
        examples: Examples,
        make: Callable[[Any, Any], Mapping[int, Change]],
        loss: bool | None = None,
    ) -> None:
        self.graph, self.examples = graph, examples
        self.network = Network(graph)
        model = graph.model
        known = examples.y is not None and bool(getattr(model, "compiled", False)) and model.loss is not None
        if loss and not known:
            raise InputError("The loss needs labels and a compiled model; give data as (x, y) and compile the model.")
        self.of_loss = known if loss is None else loss
        self._inputs = [tensor.index for tensor in tree.flatten(graph.trace.inputs)]
        self._outputs = [tensor.index for tensor in tree.flatten(graph.trace.outputs)]
        self._batches = list(self._parts())
        self._classes = class_numbers(examples.y)

        def of_batch(strengths: Any, number: Any, x: Any, y: Any, weight: Any) -> Any:
            given = dict(zip(self._inputs, tree.flatten(x), strict=True))
            made = run_changed(self.network, self._outputs, given, make(strengths, number))
            if not self.of_loss:
                return made, tf.constant(0.0)
            packed = tree.pack_sequence_as(graph.trace.outputs, made)
            total = model.compute_loss(x=x, y=y, y_pred=packed, sample_weight=weight, training=False)
            return made, total

        self._of_batch = tf.function(of_batch, reduce_retracing=True, autograph=False)

    def measure(self, strengths: NDArray[np.floating]) -> tuple[float, list[NDArray[Any]]]:
        """Return the mean loss, 0 where it is not measured, and the outputs.

        Args:
            strengths: How strong each change is, float (changes,).
        """
        total, parts = 0.0, []
        given = tf.constant(strengths, tf.float32)
        for number, (x, y, weight) in enumerate(self._batches):
            made, loss = self._of_batch(given, tf.constant(number), x, y, weight)
            parts.append([np.asarray(each).astype(np.float64) for each in made])
            total += float(loss) * len(parts[-1][0]) / self.examples.count
        return total, [np.concatenate(each) for each in zip(*parts, strict=True)]

    def rise(self, found: tuple[float, list[NDArray[Any]]], whole: tuple[float, list[NDArray[Any]]]) -> float:
        """Return by how much the loss has risen, or the error of the outputs."""
        return found[0] - whole[0] if self.of_loss else likeness(whole[1], found[1]).error

    def accuracy(self, outputs: Sequence[NDArray[Any]]) -> float | None:
        """Return how often the top class is the label; None if that is not known."""
        if self._classes is None or len(outputs) != 1 or outputs[0].ndim != 2 or outputs[0].shape[1] < 2:
            return None
        return float((outputs[0].argmax(axis=1) == self._classes).mean())

    def _parts(self) -> Iterator[tuple[Any, Any, Any]]:
        for x, y, weight in self.examples:
            yield tuple(
                tree.map_structure(lambda a: None if a is None else tf.convert_to_tensor(a), part)
                for part in (x, y, weight)
            )

    def given(self, start: int, stop: int) -> dict[int, NDArray[Any]]:
        """Return the inputs of some samples, by the numbers of their tensors."""
        arrays = arrays_of(self.examples)
        return {index: array[start:stop] for index, array in zip(self._inputs, arrays, strict=True)}
