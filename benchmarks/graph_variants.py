"""Small networks that differ in one thing that decides whether a phone's runtime skips zeros of 1 × 1 convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

__all__ = ["VARIANTS", "Variant", "prune_pointwise"]

WIDTH = 160
BLOCKS = 3


@dataclass(frozen=True)
class Variant:
    """A network and how it is stored.

    Args:
        name: What is special about it.
        make: Makes the model.
        zeros: The share of zeros of its 1 × 1 convolutions.
        quantize: How weights are stored.
        batch: Samples at once.
    """

    name: str
    make: Callable[[], Any]
    zeros: float = 0.9
    quantize: str | None = None
    batch: int = 1

    def model(self) -> Any:
        """Return the model with its zeros, the same each time."""
        keras.utils.set_random_seed(0)
        model = self.make()
        prune_pointwise(model, self.zeros)
        lively(model)
        return model


def lively(model: Any) -> None:
    """Give normalisations the statistics of an image, as training does, so that no activation dies or saturates."""
    normalisations = [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    draw = np.random.default_rng(0)
    for layer in normalisations:
        layer.momentum = 0.0
        layer.beta.assign(draw.uniform(0.0, 1.0, layer.beta.shape))
    model(draw.random((4, *model.input_shape[1:])).astype("float32"), training=True)


def prune_pointwise(model: Any, share: float) -> None:
    """Set a share of the weights of each 1 × 1 convolution to zero, at random; heads stay as they are."""
    draw = np.random.default_rng(1)
    for layer in model._flatten_layers(include_self=False):
        if type(layer) is layers.Conv2D and layer.kernel_size == (1, 1) and "head" not in layer.name:
            kernel, *rest = layer.get_weights()
            layer.set_weights([np.where(draw.random(kernel.shape) < share, 0, kernel), *rest])


def stem(x: Any, padding: str = "even", strides: int = 2) -> Any:
    """Return what a first convolution makes of an image."""
    if padding == "even":
        x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(32, 3, strides=strides, padding="valid" if padding == "even" else padding, use_bias=False)(x)
    return layers.ReLU(6.0)(layers.BatchNormalization()(x))


def mix(x: Any, filters: int = WIDTH, act: Any = None, strides: int = 1) -> Any:
    """Return what a 1 × 1 convolution makes of a tensor."""
    x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=strides, use_bias=False)(x))
    return act(x) if act is not None else layers.ReLU(6.0)(x)


def look(x: Any, strides: int = 1, padding: Any = "same", size: int = 3, act: Any = None) -> Any:
    """Return what a depthwise convolution makes of a tensor; padding may be amounts for `ZeroPadding2D`."""
    if padding != "same":
        x, padding = layers.ZeroPadding2D(padding)(x), "valid"
    x = layers.DepthwiseConv2D(size, strides=strides, padding=padding, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return act(x) if act is not None else layers.ReLU(6.0)(x)


def body(x: Any, blocks: int = BLOCKS, act: Any = None) -> Any:
    """Return what separable convolutions make of a tensor."""
    for _ in range(blocks):
        x = mix(look(x, act=act), act=act)
    return x


def head(x: Any, classes: int = 10) -> Any:
    """Return class scores."""
    return layers.Dense(classes, name="head")(layers.GlobalAveragePooling2D()(x))


def network(middle: Callable[[Any], Any], end: Callable[[Any], Any] = head, channels: int = 3, **options: Any) -> Any:
    """Return a model: a first convolution, something, and a head."""
    x = inputs = keras.Input((64, 64, channels))
    return keras.Model(inputs, end(middle(stem(x, **options))))


def before_and_after(between: Callable[[Any], Any]) -> Any:
    """Return a model with something between its blocks."""
    return network(lambda x: body(between(body(x, 2)), 2))


def excited(gate: Callable[[Any], Any]) -> Any:
    """Return a model with squeeze-and-excitation."""

    def middle(x: Any) -> Any:
        x = body(x, 2)
        return body(layers.Multiply()([x, gate(x)]), 1)

    return network(middle)


def by_convolutions(x: Any, act: str = "sigmoid") -> Any:
    """Return a gate made by 1 × 1 convolutions."""
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(16, 1, activation="relu", name="squeeze_head")(x)
    return layers.Conv2D(WIDTH, 1, activation=act, name="excite_head")(x)


def by_dense(x: Any) -> Any:
    """Return a gate made by Dense layers."""
    x = layers.Dense(16, activation="relu")(layers.GlobalAveragePooling2D()(x))
    return layers.Reshape((1, 1, WIDTH))(layers.Dense(WIDTH, activation="sigmoid")(x))


def residual(x: Any) -> Any:
    """Return inverted residual blocks, one of them with strides."""
    x = mix(x, 48)
    x = layers.Add()([x, mix(look(mix(x)), 48, act=lambda y: y)])
    x = mix(look(mix(x), 2, padding=1), 64, act=lambda y: y)
    return layers.Add()([x, mix(look(mix(x)), 64, act=lambda y: y)])


def given_out(later: bool) -> Any:
    """Return a model that gives an inner tensor out, or what another convolution makes of it."""
    inputs = keras.Input((64, 64, 3))
    x = body(stem(inputs))
    side = layers.Conv2D(8, 1, name="side_head")(x) if later else x
    return keras.Model(inputs, [head(body(x, 1)), side])


def variants() -> Iterator[Variant]:
    """Yield the variants."""
    same = layers.Activation
    yield Variant("as it should be", lambda: network(body))
    yield Variant("float16", lambda: network(body), quantize="float16")
    yield Variant("int8", lambda: network(body), quantize="int8")
    yield Variant("8-bit weights, float activations", lambda: network(body), quantize="dynamic")
    yield Variant("batch of 4", lambda: network(body), batch=4)
    yield Variant("60 % zeros", lambda: network(body), zeros=0.6)
    yield Variant("75 % zeros, dense head of 2,000 classes", lambda: network(body, lambda x: head(x, 2000)), zeros=0.75)
    yield Variant("strides of 2 inside, even padding", lambda: before_and_after(lambda x: look(x, 2, padding=1)))
    yield Variant("strides of 2 inside, padding same", lambda: before_and_after(lambda x: look(x, 2)))
    yield Variant(
        "strides of 2 inside, padded below and right",
        lambda: before_and_after(lambda x: look(x, 2, padding=((0, 1), (0, 1)))),
    )
    yield Variant("padding same everywhere", lambda: network(lambda x: body(look(body(x, 1), 2)), padding="same"))
    yield Variant("first convolution with strides of 1", lambda: network(body, strides=1))
    yield Variant("grey image", lambda: network(body, channels=1))
    yield Variant("Rescaling first", lambda: rescaled())
    yield Variant("5 × 5 depthwise", lambda: before_and_after(lambda x: look(x, size=5)))
    yield Variant("7 × 7 depthwise", lambda: before_and_after(lambda x: look(x, size=7)))
    conv = layers.Conv2D
    yield Variant("3 × 3 convolution inside", lambda: before_and_after(lambda x: conv(64, 3, padding="same")(x)))
    yield Variant("1 × 1 convolution with strides", lambda: before_and_after(lambda x: mix(x, strides=2)))
    yield Variant("max pooling inside", lambda: before_and_after(lambda x: layers.MaxPooling2D()(x)))
    yield Variant("average pooling inside", lambda: before_and_after(lambda x: layers.AveragePooling2D(2)(x)))
    yield Variant("concatenation", lambda: before_and_after(lambda x: layers.Concatenate()([x, mix(x, 32)])))
    grow = layers.UpSampling2D
    yield Variant("bilinear resize", lambda: before_and_after(lambda x: grow(interpolation="bilinear")(x)))
    yield Variant("nearest resize", lambda: before_and_after(lambda x: layers.UpSampling2D()(x)))
    yield Variant("inverted residuals", lambda: network(residual))
    yield Variant("swish", lambda: network(lambda x: body(x, act=same("silu"))))
    yield Variant("hard swish", lambda: network(lambda x: body(x, act=same("hard_silu"))))
    yield Variant("leaky ReLU", lambda: network(lambda x: body(x, act=layers.LeakyReLU())))
    yield Variant("PReLU", lambda: before_and_after(lambda x: layers.PReLU(shared_axes=[1, 2])(x)))
    yield Variant("squeeze and excitation by convolutions", lambda: excited(by_convolutions))
    yield Variant("… with hard sigmoid", lambda: excited(lambda x: by_convolutions(x, "hard_sigmoid")))
    yield Variant("… by Dense and Reshape", lambda: excited(by_dense))
    yield Variant("pooling that keeps dimensions, then Flatten", lambda: network(body, flat_pooling))
    yield Variant("1 × 1 convolution as head", lambda: network(body, convolutional_head))
    yield Variant("average pooling over all, then Flatten", lambda: network(body, average_head))
    yield Variant("global max pooling", lambda: network(body, max_head))
    yield Variant("Flatten", lambda: network(body, lambda x: layers.Dense(10, name="head")(layers.Flatten()(x))))
    yield Variant("ends in a 1 × 1 convolution", lambda: network(body, lambda x: x))
    yield Variant("gives an inner tensor out", lambda: given_out(later=False))
    yield Variant("a second head of 1 × 1 convolutions", lambda: given_out(later=True))


def rescaled() -> Any:
    """Return a model that scales its input."""
    inputs = keras.Input((64, 64, 3))
    return keras.Model(inputs, head(body(stem(layers.Rescaling(2.0)(inputs)))))


def flat_pooling(x: Any) -> Any:
    """Return class scores by a pooling that keeps its dimensions."""
    return layers.Dense(10, name="head")(layers.Flatten()(layers.GlobalAveragePooling2D(keepdims=True)(x)))


def convolutional_head(x: Any) -> Any:
    """Return class scores by a 1 × 1 convolution."""
    return layers.Flatten()(layers.Conv2D(10, 1, name="head")(layers.GlobalAveragePooling2D(keepdims=True)(x)))


def average_head(x: Any) -> Any:
    """Return class scores by an average pooling of the size of the image."""
    return layers.Dense(10, name="head")(layers.Flatten()(layers.AveragePooling2D(x.shape[1:3])(x)))


def max_head(x: Any) -> Any:
    """Return class scores by a global maximum."""
    return layers.Dense(10, name="head")(layers.GlobalMaxPooling2D()(x))


VARIANTS = tuple(variants())
