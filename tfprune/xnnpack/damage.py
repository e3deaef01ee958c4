"""What no converter writes: operations that lack what they compute with, which readers of a network rely on."""

from __future__ import annotations

from tfprune.errors import InputError
from tfprune.xnnpack.network import Network, Operation
from tfprune.xnnpack.partitions import DELEGATED
from tfprune.xnnpack.roles import WINDOWED

__all__ = ["check"]

NEEDED = {"ADD": 2, "CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "MUL": 2, "PAD": 2, "PADV2": 3}
"""How many inputs operations have at least, where it is not one."""

OPTIONS = ("padding", "strideH", "strideW")
"""What each convolution says."""


def check(network: Network) -> None:
    """Refuse a network with an operation that lacks something.

    Raises:
        InputError: If there is one.
    """
    for op in network.operations:
        if lacking := missing(network, op):
            raise InputError(f"Operation {op.index} ({op.kind}) has {lacking}: the file is damaged; convert it again.")


def missing(network: Network, op: Operation) -> str:
    """Return what an operation that is looked into has too little of; nothing if it is whole."""
    if op.kind not in DELEGATED and op.kind not in NEEDED:
        return ""
    needed = NEEDED.get(op.kind, 1)
    if len(op.inputs) < needed or min(op.inputs[:needed]) < 0:
        return "no input" if needed == 1 else f"not the {needed} inputs that it needs"
    if not op.outputs or min(op.outputs) < 0:
        return "no output"
    if op.kind in WINDOWED:
        for index in (*op.inputs[:2], op.outputs[0]):
            shape = network.tensors[index].shape
            if len(shape) != 4:
                return f"a tensor of {len(shape)} axes instead of images"
            if min(shape) < 1:
                return f"a tensor of shape {shape} instead of images"
        if any(name not in op.options for name in OPTIONS):
            return "no strides"
    return ""
