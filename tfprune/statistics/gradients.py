"""Gradients of the loss and of the outputs: means, and means of squares sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfprune.backend import need_tensorflow
from tfprune.console import track
from tfprune.graph import ChannelGroup
from tfprune.statistics.registry import of_channels, of_weights
from tfprune.statistics.study import Array, Study

__all__ = ["gradient", "per_sample", "tensors_of"]

need_tensorflow(__name__)


def tensors_of(variables: Sequence[keras.Variable]) -> list[Any]:
    """Return the TensorFlow variables of Keras variables."""
    return [variable.value for variable in variables]


def dense(gradients: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """Return gradients as tensors of at least float32; zeros where nothing depends on a variable."""
    return [
        tf.zeros(value.shape, tf.float32) if one is None else tf.cast(tf.convert_to_tensor(one), tf.float32)
        for one, value in zip(gradients, values, strict=True)
    ]


@of_weights("gradient", "labels")
def gradient(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the gradient of the mean loss of all samples."""
    values = tensors_of(variables)

    @tf.function(reduce_retracing=True)
    def of_batch(x: Any, y: Any, weight: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss = study.loss(x, y, weight)
        return dense(tape.gradient(loss, values), values)

    sums = [np.zeros(tuple(value.shape)) for value in values]
    examples = study.examples
    for x, y, weight in track(examples, examples.batches, "gradient", study.progress):
        count = len(keras.tree.flatten(x)[0])
        for total, one in zip(sums, study.run(of_batch, x, y, weight), strict=True):
            total += one.numpy() * count / examples.count
    return sums


def per_sample(
    study: Study,
    variables: Sequence[keras.Variable],
    scalar: Callable[[Any, Any, Any], Any],
    what: str,
    use: Callable[[list[Any]], list[Any]],
    start: Sequence[Any],
) -> list[Any]:
    """Sum something over the gradients of single samples.

    The samples of a batch go through the network one by one inside one compiled loop, so that the squares are those of
    single samples whatever the layers are.

    Args:
        study: The samples and the network.
        variables: What the gradients are by.
        scalar: From a batch of one to what is differentiated.
        what: What is done, for the progress bar.
        use: From the gradients of a sample to what is summed.
        start: Zeros of its shapes.
    """
    values = tensors_of(variables)

    def of_one(index: Any, sums: list[Any], x: Any, y: Any, weight: Any) -> tuple[Any, list[Any]]:
        one = [
            tf.nest.map_structure(lambda a: None if a is None else a[index : index + 1], part)
            for part in (x, y, weight)
        ]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            found = scalar(*one)
        return index + 1, [a + b for a, b in zip(sums, use(dense(tape.gradient(found, values), values)), strict=True)]

    @tf.function(reduce_retracing=True, autograph=False)
    def of_batch(count: Any, sums: list[Any], x: Any, y: Any, weight: Any) -> Any:
        first = tf.constant(0)
        return tf.while_loop(
            lambda index, _: index < count,
            lambda index, own: of_one(index, own, x, y, weight),
            (first, sums),
            parallel_iterations=1,
        )[1]

    sums = list(start)
    for x, y, weight in track(study.examples, study.examples.batches, what, study.progress):
        x, y, weight = (tf.nest.map_structure(to_tensor, part) for part in (x, y, weight))
        sums = study.run(of_batch, tf.shape(tf.nest.flatten(x)[0])[0], sums, x, y, weight)
    return sums


def to_tensor(array: Any) -> Any:
    """Return an array as a tensor."""
    return None if array is None else tf.convert_to_tensor(array)


def mean_of_squares(study: Study, variables: Sequence[keras.Variable], scalar: Any, what: str) -> list[Array]:
    """Return the mean over samples of the squared gradients."""
    start = [tf.zeros(tuple(variable.shape)) for variable in variables]
    sums = per_sample(study, variables, scalar, what, lambda gradients: [tf.square(g) for g in gradients], start)
    return [total.numpy() / study.examples.count for total in sums]


@of_weights("squared_gradient", "labels")
def squared_gradient(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the mean over samples of the squared gradient of each one's loss, the empirical Fisher diagonal."""
    return mean_of_squares(study, variables, study.loss, "Fisher")


@of_weights("jacobian", "data")
def jacobian(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the mean over samples of `Σ (∂y/∂w)²` over all outputs, estimated with one vector of signs a sample."""
    generator = tf.random.Generator.from_seed(study.seed)

    def along_signs(x: Any, y: Any, weight: Any) -> Any:
        total = 0.0
        for output in tf.nest.flatten(study.model(x, training=False)):
            output = tf.cast(output, tf.float32)
            signs = tf.cast(generator.uniform(tf.shape(output), 0, 2, tf.int32) * 2 - 1, tf.float32)
            total += tf.reduce_sum(signs * output)
        return total

    return mean_of_squares(study, variables, along_signs, "Jacobian")


@of_weights("gauss_newton", "labels")
def gauss_newton(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the diagonal of the Gauss–Newton matrix of the mean loss, estimated with one vector a sample.

    With a factor S of the Hessian of a sample's loss by its outputs, `S Sᵀ = ∂²L/∂y²`, and random signs z, the square
    of the gradient of `yᵀ S z` has the diagonal as its mean.
    """
    generator = tf.random.Generator.from_seed(study.seed)

    def along_curvature(x: Any, y: Any, weight: Any) -> Any:
        outputs = study.model(x, training=False)
        flat = tf.nest.flatten(outputs)
        fixed = [tf.stop_gradient(tf.cast(output, tf.float32)) for output in flat]
        sizes = [int(np.prod(output.shape[1:])) for output in flat]
        joined = tf.concat([tf.reshape(output, [-1]) for output in fixed], axis=0)
        with tf.GradientTape() as outer:
            outer.watch(joined)
            with tf.GradientTape() as inner:
                inner.watch(joined)
                parts = [
                    tf.reshape(part, tf.shape(output))
                    for part, output in zip(tf.split(joined, sizes), fixed, strict=True)
                ]
                packed = tf.nest.pack_sequence_as(outputs, parts)
                loss = study.model.compute_loss(x=x, y=y, y_pred=packed, sample_weight=weight, training=False)
            slope = inner.gradient(loss, joined)
        curvature = outer.jacobian(slope, joined, experimental_use_pfor=False)
        size, along = tf.linalg.eigh((curvature + tf.transpose(curvature)) / 2)
        signs = tf.cast(generator.uniform([sum(sizes)], 0, 2, tf.int32) * 2 - 1, tf.float32)
        vector = tf.linalg.matvec(along, tf.sqrt(tf.maximum(size, 0.0)) * signs)
        made = tf.concat([tf.reshape(tf.cast(output, tf.float32), [-1]) for output in flat], axis=0)
        return tf.reduce_sum(made * tf.stop_gradient(vector))

    return mean_of_squares(study, variables, along_curvature, "Gauss-Newton")


@of_channels("squared_gate_gradient", "labels")
def squared_gate_gradient(study: Study, groups: Sequence[ChannelGroup]) -> list[Array]:
    """Return the mean over samples of `(Σ g w)²` over all that goes with a channel, (channels, 1)."""
    slices = [[s for s in group.slices if s.variable.trainable] for group in groups]
    variables = list({id(s.variable): s.variable for own in slices for s in own}.values())
    number = {id(variable): index for index, variable in enumerate(variables)}
    values = tensors_of(variables)

    def of_gates(gradients: list[Any]) -> list[Any]:
        products = [g * tf.cast(value, tf.float32) for g, value in zip(gradients, values, strict=True)]
        found = []
        for group, own in zip(groups, slices, strict=True):
            total = tf.zeros(group.size)
            for s in own:
                product = products[number[id(s.variable)]]
                axes = [axis for axis in range(len(product.shape)) if axis != s.axis]
                along = tf.reduce_sum(product, axis=axes)
                total += tf.reduce_sum(tf.gather(along, s.positions), axis=1)
            found.append(tf.square(total))
        return found

    start = [tf.zeros(group.size) for group in groups]
    sums = per_sample(study, variables, study.loss, "Fisher of gates", of_gates, start)
    return [total.numpy()[:, None] / study.examples.count for total in sums]
