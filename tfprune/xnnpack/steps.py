"""Convolutions that step over inputs, which older runtimes compute wrong."""

from __future__ import annotations

from collections.abc import Iterator

from tfprune.targets import Target
from tfprune.xnnpack.findings import Finding
from tfprune.xnnpack.network import Network, Operation
from tfprune.xnnpack.roles import SAME, window_of
from tfprune.xnnpack.rules import Namer

__all__ = ["missing", "stepping_over"]

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def stepping_over(network: Network, target: Target | None, name: Namer) -> Iterator[Finding]:
    """Yield convolutions padded with 'same' whose last windows end before the input does.

    TensorFlow pads nothing there; XNNPACK as it is in ai-edge-litert before 2.2 shifts the windows, without a message
    (https://github.com/google-ai-edge/LiteRT/issues/9256; `python benchmarks/older_runtimes.py`). 1 × 1 kernels are
    computed right.

    Args:
        network: The network of a file.
        target: The device; TensorFlow Lite Micro, which stores nothing sparse, has kernels of its own.
        name: Names the layer of an operation.
    """
    if target is not None and not target.stores_sparse:
        return
    for op in network.operations:
        if op.kind in CONVOLUTIONS and op.options["padding"] == SAME and leaves_a_rest(network, op):
            yield Finding(
                "older",
                name(op),
                "is computed wrong by runtimes before LiteRT 2.2, as it is padded with 'same' and steps over inputs",
                "write the same with padding='valid' (lint(fix=True) does)",
            )


def leaves_a_rest(network: Network, op: Operation) -> bool:
    """Whether the windows of a convolution, of more than one value, end before its input does, in height or width."""
    window = window_of(network, op, (0, 0, 0, 0))
    if window.size == (1, 1):
        return False
    given, made = (network.tensors[index].shape[1:3] for index in (op.inputs[0], op.outputs[0]))
    parts = zip(given, made, window.size, window.stride, window.dilation, strict=True)
    return any(missing(*part) < 0 for part in parts)


def missing(inputs: int, outputs: int, size: int, step: int, apart: int) -> int:
    """Return how many inputs the last window of a convolution lacks; less than zero if it ends before they do.

    Args:
        inputs: How many inputs there are, in one direction.
        outputs: How many windows.
        size: How many inputs a window reads.
        step: From one window to the next.
        apart: From one input that a window reads to the next.
    """
    return (outputs - 1) * step + (size - 1) * apart + 1 - inputs
