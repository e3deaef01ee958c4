"""What flows through a network whose weights are all positive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfprune.backend import need_tensorflow
from tfprune.inputs import signature_of
from tfprune.statistics.gradients import dense, tensors_of
from tfprune.statistics.registry import of_weights
from tfprune.statistics.study import Array, Study

__all__ = ["synaptic_flow"]

need_tensorflow(__name__)


@of_weights("synaptic_flow", "nothing")
def synaptic_flow(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return `∂R/∂|w|`, with the sum R of the outputs for an input of ones and all weights positive.

    The model's weights are as before when this returns. Computed in the model's own precision; what overflows in deep
    networks is scaled by dividing by the largest, which changes no order within the network.
    """
    model = study.model
    signature = signature_of(model, batch_size=1, sample=None)
    ones = signature.pack([np.ones([size or 1 for size in spec.shape], spec.dtype) for spec in signature.inputs])
    before = [variable.numpy() for variable in model.weights]
    values = tensors_of(variables)
    try:
        for variable, own in zip(model.weights, before, strict=True):
            if variable.trainable:
                variable.assign(np.abs(own))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            outputs = [tf.cast(y, tf.float32) for y in tf.nest.flatten(before_softmax(model)(ones, training=False))]
            flow = tf.add_n([tf.reduce_sum(y) for y in outputs])
        found = [g.numpy() for g in dense(tape.gradient(flow, values), values)]
    finally:
        for variable, own in zip(model.weights, before, strict=True):
            variable.assign(own)
    largest = max((float(np.abs(g).max()) for g in found if g.size), default=0.0)
    return [g / largest if largest > 0 and np.isfinite(largest) else g for g in found]


def before_softmax(model: keras.Model) -> Any:
    """Return a model as it is, but for a softmax at its end: the sum of that says nothing."""
    last: Any = model.layers[-1] if getattr(model, "layers", None) else None
    if getattr(getattr(last, "activation", None), "__name__", "") != "softmax":
        return model

    def call(inputs, training=False):  # type: ignore[no-untyped-def]
        function = last.activation
        last.activation = keras.activations.linear
        try:
            return model(inputs, training=training)
        finally:
            last.activation = function

    return call
