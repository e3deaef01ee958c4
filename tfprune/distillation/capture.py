"""What layers make, seen while a model runs once: a functional, subclassed or nested one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from tfprune.backend import need_tensorflow
from tfprune.distillation.structure import structure_of
from tfprune.errors import InputError, nearest
from tfprune.inputs import signature_of

__all__ = ["Capture", "find_layer", "layers_of", "shapes_of"]

need_tensorflow(__name__)


class Capture:
    """Notes what layers return.

    Their `call` is replaced as long as a model runs within it; each thread has notes of its own, as the replicas of a
    distribution strategy are traced in threads.

    Args:
        layers: The layers, by whatever names them.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="hidden"), keras.layers.Dense(1)])
        >>> with Capture({"hidden": model.get_layer("hidden")}).running() as seen:
        ...     answer = model(np.ones((5, 3)))
        >>> seen["hidden"][0].shape
        TensorShape([5, 2])
    """

    def __init__(self, layers: Mapping[str, keras.Layer]) -> None:
        self.layers = dict(layers)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._users = 0
        self._before: list[tuple[keras.Layer, dict[str, Any]]] = []  # a call that was replaced already, as by gates

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, list[Any]]]:
        """Yield what the layers return, a tensor for each call, as the model runs."""
        seen: dict[str, list[Any]] = {name: [] for name in self.layers}
        self._local.seen = seen
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._watch()
        try:
            yield seen
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    for layer, own in self._before:
                        layer.__dict__.pop("call", None)
                        layer.__dict__.update(own)
            self._local.seen = None

    def _watch(self) -> None:
        self._before = [
            (layer, {k: v for k, v in vars(layer).items() if k == "call"}) for layer in self.layers.values()
        ]
        for name, layer in self.layers.items():
            vars(layer)["call"] = self._noting(name, layer.call)

    def _noting(self, name: str, call: Any) -> Any:
        def noted(*args: Any, **kwargs: Any) -> Any:
            made = call(*args, **kwargs)
            seen = getattr(self._local, "seen", None)
            if seen is not None:
                seen[name].append(tree.flatten(made)[0])
            return made

        return noted


def layers_of(model: keras.Model) -> dict[str, keras.Layer]:
    """Return the layers in a model that have none of their own, by name; by path where names are not distinct."""
    found: dict[str, list[keras.Layer]] = {}
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, keras.layers.InputLayer):
            found.setdefault(layer.name, []).append(layer)
    return {
        name if len(same) == 1 else layer.path: layer
        for name, same in found.items()
        for layer in same
        if not any(True for _ in layer._flatten_layers(include_self=False, recursive=False))
    }


def find_layer(model: keras.Model, name: str, what: str) -> keras.Layer:
    """Return the layer of that name or path.

    Raises:
        InputError: If there is none, or there are several of that name.
    """
    every = list(model._flatten_layers(include_self=False))
    found = [layer for layer in every if name in (layer.name, layer.path)]
    if not found:
        raise InputError(f"The {what} has no layer {name!r}. {nearest(name, {layer.name for layer in every})}")
    if len(found) > 1:
        paths = ", ".join(repr(layer.path) for layer in found)
        raise InputError(f"The {what} has several layers {name!r}; give the path of one: {paths}.")
    return found[0]


def shapes_of(model: keras.Model, layers: Mapping[str, keras.Layer]) -> dict[str, Sequence[tuple[int | None, ...]]]:
    """Return the shapes of what layers make, one for each call, by running a model on symbols.

    A layer that is called within a loop, as those in a TimeDistributed or a recurrent layer are, has none: nobody can
    get at what it makes there.
    """
    structure = structure_of(model, "inputs")
    if structure is None:
        signature = signature_of(model, batch_size=None)
        structure, symbols = signature.structure, list[Any](signature.inputs)
    else:
        symbols = tree.flatten(structure)
    capture = Capture(layers)
    shapes: dict[str, Sequence[tuple[int | None, ...]]] = {}

    def run(*flat: Any) -> Any:
        with capture.running() as seen:
            made = model(tree.pack_sequence_as(structure, list(flat)), training=False)
        graph = tf.compat.v1.get_default_graph()
        for name, tensors in seen.items():
            if tensors and all(getattr(x, "graph", None) is graph for x in tensors):
                shapes[name] = [tuple(x.shape) for x in tensors]
        return tree.flatten(made)

    specs = [tf.TensorSpec(symbol.shape, symbol.dtype) for symbol in symbols]
    tf.function(run, autograph=False).get_concrete_function(*specs)
    return shapes
