"""One linear operation of a network and what it costs: what is needed to price it, and to time it alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keras import layers

from tfprune.graph.kinds import CONVOLUTIONS, DEPTHWISE

__all__ = ["Operation", "operation_of"]

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """A product with a kernel, for one sample, channels last.

    Args:
        kind: `"convolution"`, `"depthwise"`, `"dense"`, `"embedding"`, or `"elementwise"` of what has no weights: it
            reads and writes each value once.
        positions: Positions of the input, without the channels: (height, width) of an image, () of a vector.
        inputs: Channels of the input; the size of the vocabulary of an embedding.
        outputs: Channels of the output.
        window: Size of the kernel along the positions, of convolutions.
        strides: Steps between windows.
        dilation: Steps between the positions of a window.
        padding: `"valid"`, `"same"` or `"causal"`.
        groups: Groups of channels of a convolution.
        bias: Whether there is a bias.

    Example:
        >>> conv = Operation("convolution", (32, 32), 3, 16, (3, 3), (1, 1), (1, 1), "same")
        >>> conv.made, conv.macs, conv.parameters
        ((32, 32), 442368, 448)
    """

    kind: str
    positions: Sizes
    inputs: int
    outputs: int
    window: Sizes = ()
    strides: Sizes = ()
    dilation: Sizes = ()
    padding: str = "valid"
    groups: int = 1
    bias: bool = True

    @property
    def made(self) -> Sizes:
        """Positions of the output."""
        if self.kind in ("dense", "embedding", "elementwise"):
            return self.positions
        return tuple(
            -(-size // stride) if self.padding != "valid" else (size - (window - 1) * dilation - 1) // stride + 1
            for size, window, stride, dilation in zip(
                self.positions, self.window, self.strides, self.dilation, strict=True
            )
        )

    @property
    def weights(self) -> int:
        """Number of weights of the kernel."""
        if self.kind == "elementwise":
            return 0
        if self.kind == "depthwise":
            return math.prod(self.window) * self.outputs
        return math.prod(self.window) * (self.inputs // self.groups) * self.outputs

    @property
    def parameters(self) -> int:
        """Number of weights, the bias included."""
        return self.weights + (self.outputs if self.bias else 0)

    @property
    def macs(self) -> int:
        """Multiply-accumulates; looking something up costs none."""
        return 0 if self.kind == "embedding" else self.weights * math.prod(self.made)

    def with_channels(self, inputs: int, outputs: int) -> Operation:
        """Return the same operation on other numbers of channels."""
        return replace(self, inputs=inputs, outputs=outputs)


def operation_of(cls: type, config: Mapping[str, Any], shape: Sequence[int | None], kernel: Sequence[int]) -> Operation:
    """Return what a layer does.

    Args:
        cls: Class of the layer.
        config: Its config.
        shape: Shape of its input, batch first; unknown sizes count as 1.
        kernel: Shape of its kernel.

    Returns:
        The operation. An `EinsumDense` is a `"dense"` one, in groups where inputs and outputs share letters.
    """
    sizes = tuple(size or 1 for size in shape[1:])
    bias = bool(config.get("use_bias") or config.get("bias_axes"))
    if issubclass(cls, layers.Embedding):
        return Operation("embedding", sizes, kernel[0], kernel[1], bias=False)
    if issubclass(cls, layers.EinsumDense):
        return einsum_operation(config["equation"], shape, kernel, bias)
    if not issubclass(cls, (*CONVOLUTIONS, *DEPTHWISE)):
        return Operation("dense", sizes[:-1], kernel[0], kernel[1], bias=bias)
    first = config["data_format"] == "channels_first"
    positions, inputs = (sizes[1:], sizes[0]) if first else (sizes[:-1], sizes[-1])
    depthwise = issubclass(cls, DEPTHWISE)
    return Operation(
        "depthwise" if depthwise else "convolution",
        positions,
        inputs,
        kernel[-1] * (kernel[-2] if depthwise else 1),
        tuple(kernel[:-2]),
        each(config["strides"], len(positions)),
        each(config["dilation_rate"], len(positions)),
        config["padding"],
        1 if depthwise else config["groups"],
        bias,
    )


def each(value: Any, count: int) -> Sizes:
    """Return a size for each axis."""
    return (value,) * count if isinstance(value, int) else tuple(value)


def einsum_operation(equation: str, shape: Sequence[int | None], kernel: Sequence[int], bias: bool) -> Operation:
    """Return what an `EinsumDense` does."""
    given, names, made = spelled(equation, len(shape))
    sizes = dict(zip(names, kernel, strict=True))
    shared, inner, outer = (
        math.prod(sizes[x] for x in names if (x in given, x in made) == where)
        for where in ((True, True), (True, False), (False, True))
    )
    passing = [size or 1 for x, size in zip(given[1:], shape[1:], strict=True) if x not in names and x in made]
    return Operation("dense", tuple(passing), shared * inner, shared * outer, groups=shared, bias=bias)


def einsum_shape(equation: str, shape: Sequence[int | None], kernel: Sequence[int]) -> tuple[int | None, ...]:
    """Return the shape of what an `EinsumDense` makes."""
    given, names, made = spelled(equation, len(shape))
    sizes = {**dict(zip(given, shape, strict=True)), **dict(zip(names, kernel, strict=True))}
    return tuple(sizes[letter] for letter in made)


def spelled(equation: str, rank: int) -> list[str]:
    """Return the letters of inputs, kernel and outputs, with an ellipsis spelled out as capitals."""
    left, made = equation.replace(" ", "").split("->")
    given, names = left.split(",")
    extra = "".join(chr(ord("A") + n) for n in range(rank - len(given.replace("...", ""))))
    return [part.replace("...", extra) for part in (given, names, made)]
