"""Layers whose weights and activations are fake-quantised as long as something is attached to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from tfprune.backend import need_tensorflow
from tfprune.errors import InputError
from tfprune.graph.reading import Reading
from tfprune.quantization.fake import quantize_activation, quantize_kernel
from tfprune.quantization.kernels import Kernel, kernels_of
from tfprune.quantization.points import Point, Points, Site, find_points, lasting
from tfprune.quantization.ranges import Ranges

__all__ = ["FakeQuantized", "detach_calls"]

need_tensorflow(__name__)

MOMENTUM = 0.95


class FakeQuantized:
    """A model that computes with integers' precision as long as it is attached.

    The `call` of its layers is replaced, so that the model keeps its class, its weights and its checkpoints, and
    whoever runs it, `fit` or a training loop of one's own, runs it fake-quantised. Steps that were traced before are
    not, and those traced now remain so: have them traced anew.

    Args:
        model: A built model.
        bits: Bits of a weight, from 2 to 8.
        activations: Whether activations are quantised too.
        momentum: How much of an activation's range stays at each batch.
        strategy: The strategy that the model was made under; None is the present one.

    Attributes:
        kernels: The kernels that are quantised.
        ranges: The ranges of the activations; none are learned before `ranges.learning` is set.

    Raises:
        InputError: If the model has no layer to quantise, computes in half precision throughout, or can't be traced.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="only")])
        >>> _ = model.layers[0].kernel.assign([[1.0, 0.5], [0.004, 0.0], [0.0, 0.25], [-0.3, 0.1]])
        >>> quantized = FakeQuantized(model, activations=False)
        >>> with quantized.attached():
        ...     print(model(np.eye(4))[1, 0].numpy() * 127)
        1.0
        >>> print(model(np.eye(4))[1, 0].numpy())
        0.004
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        bits: int = 8,
        activations: bool = True,
        momentum: float = MOMENTUM,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self.model, self.bits = model, bits
        self.kernels = kernels_of(model)
        if not self.kernels:
            raise InputError(
                f"{model.name!r} has no layer whose weights are quantised; it needs a convolution or a Dense layer."
            )
        half = next((k for k in self.kernels if k.variable.dtype not in ("float32", "float64")), None)
        if half is not None:
            raise InputError(
                f"{half.path}'s weights are {half.variable.dtype}, too coarse to be trained by small steps; make the "
                "model with dtype float32 or with a mixed policy such as 'mixed_bfloat16'."
            )
        points = points_of(model) if activations else Points({}, [])
        self.ranges = Ranges(points.shared, momentum, strategy or tf.distribute.get_strategy())
        read: dict[int, tuple[keras.Operation, list[Kernel]]] = {}
        for kernel in self.kernels:
            read.setdefault(id(kernel.layer), (kernel.layer, []))[1].append(kernel)
        self._calls = []
        for key in {**read, **points.sites}:
            owner = (read.get(key) or points.sites[key])[0]
            sites = points.sites[key][1] if key in points.sites else []
            self._calls.append(QuantizedCall(self, owner, read[key][1] if key in read else [], sites))

    def attach(self) -> None:
        """Have the layers compute fake-quantised.

        Raises:
            InputError: If something else has replaced how a layer computes, such as gates.
        """
        detach_calls(self.model)
        taken = next((call.owner for call in self._calls if "call" in vars(call.owner)), None)
        if taken is not None:
            raise InputError(
                f"The call of {taken.name!r} is replaced, as GateCallback does it; end that first, and quantise in a "
                "fit of its own."
            )
        for call in self._calls:
            call.attach()

    def detach(self) -> None:
        """Have them compute as they are."""
        detach_calls(self.model)

    @contextmanager
    def attached(self) -> Iterator[FakeQuantized]:
        """Have the layers compute fake-quantised within the block."""
        self.attach()
        try:
            yield self
        finally:
            self.detach()

    def calibrate(self, inputs: Any) -> None:
        """Widen the ranges to all that a model's activations are on some inputs, as the TFLite converter does.

        Args:
            inputs: What the model is called with.
        """
        with self.attached(), self.ranges.calibration():
            self.model(inputs, training=False)

    def start_step(self) -> None:
        """Count the calls of layers that are called several times from the first again."""
        for call in self._calls:
            call.number = 0

    def round_kernels(self) -> None:
        """Write the quantised values of the kernels to them."""
        for kernel in self.kernels:
            kernel.variable.assign(quantize_kernel(kernel.variable._value, kernel.axes, self.bits))


class QuantizedCall:
    """A layer's `call` with its kernels, and what goes in and comes out, fake-quantised.

    Args:
        quantized: What it is part of.
        owner: The layer or operation.
        kernels: Its kernels.
        sites: What of its activations is quantised, for each of its calls.
    """

    replaces_call = True
    """`tfprune.strip` takes it off."""

    def __init__(
        self, quantized: FakeQuantized, owner: keras.Operation, kernels: Sequence[Kernel], sites: Sequence[Site]
    ) -> None:
        self.quantized, self.owner, self.kernels, self.sites = quantized, owner, kernels, sites
        self.number = 0
        self.inner: Any = None

    def attach(self) -> None:
        """Take the place of the owner's `call`."""
        self.inner, self.number = self.owner.call, 0
        vars(self.owner)["call"] = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer."""
        site = Site()
        if self.sites:
            site = self.sites[self.number % len(self.sites)]
            self.number += 1
        if site.inputs:
            args = self._each(args, site.inputs)
        with self._activation_after(site.before):
            made = self._run(args, kwargs)
        return self._each(made, site.outputs) if site.outputs else made

    def _run(self, args: Any, kwargs: Any) -> Any:
        if not self.kernels or self.quantized.ranges.calibrating:
            return self.inner(*args, **kwargs)
        read = {
            id(kernel.variable): quantize_kernel(kernel.variable._value, kernel.axes, self.quantized.bits)
            for kernel in self.kernels
        }
        with Reading(read, self.owner):
            return self.inner(*args, **kwargs)

    def _quantize(self, x: Any, point: Point) -> Any:
        if isinstance(point, int):
            return self.quantized.ranges[point].quantize(x)
        return x if self.quantized.ranges.calibrating else quantize_activation(x, *point)

    def _each(self, structure: Any, points: dict[int, Point]) -> Any:
        flat = tree.flatten(structure)
        flat = [self._quantize(x, points[number]) if number in points else x for number, x in enumerate(flat)]
        return tree.pack_sequence_as(structure, flat)

    @contextmanager
    def _activation_after(self, point: Point | None) -> Iterator[None]:
        """Let the layer's own activation read what is quantised."""
        if point is None:
            yield
            return
        attributes, own = vars(self.owner), self.owner.activation
        attributes["activation"] = lambda x: own(self._quantize(x, point))
        try:
            yield
        finally:
            attributes["activation"] = own


def points_of(model: keras.Model) -> Points:
    """Return where the activations of a model are quantised.

    Raises:
        InputError: If it can't be traced.
    """
    try:
        return find_points(model)
    except InputError as error:
        raise InputError(f"{error} With activations=False only its weights are quantised.") from error


def detach_calls(model: keras.Model) -> None:
    """Give the layers of a model their own `call` back, also what an interrupted training has left."""
    for operation in lasting(model):
        if isinstance(vars(operation).get("call"), QuantizedCall):
            del vars(operation)["call"]
