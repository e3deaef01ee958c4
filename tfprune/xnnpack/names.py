"""Which Keras layer an operation of a .tflite file comes from, told by the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Collection

from tfprune.xnnpack.network import Network, Operation

__all__ = ["layer_name"]

MADE_BY = {
    "CONV_2D": ("convolution", "Conv2D", "BiasAdd"),
    "DEPTHWISE_CONV_2D": ("depthwise", "depthwise_weights"),
    "FULLY_CONNECTED": ("MatMul", "Tensordot", "BiasAdd"),
    "MEAN": ("Mean",),
    "ADD": ("Add", "add", "AddV2"),
    "MUL": ("Mul", "mul"),
    "CONCATENATION": ("concat",),
    "MAX_POOL_2D": ("MaxPool2d", "MaxPool"),
    "AVERAGE_POOL_2D": ("AvgPool", "AvgPool2D"),
}


def layer_name(network: Network, op: Operation, known: Collection[str] = ()) -> str:
    """Return the name of the Keras layer that an operation comes from; its kind and place if the file does not tell.

    Args:
        network: The network.
        op: One of its operations.
        known: The names of the Keras model's layers, if it is there.

    Example:
        >>> from tfprune.xnnpack.network import Tensor
        >>> relu = Tensor("net_1/relu_1/Relu6;net_1/conv_3_1/convolution", (1, 8, 8, 16), "float32")
        >>> conv = Operation(0, "CONV_2D", (), (0,))
        >>> layer_name(Network((relu,), (conv,), (), ()), conv)
        'conv_3'
    """
    indices = [*op.outputs, *(index for index in op.inputs[1:2] if index >= 0 and network.tensors[index].constant)]
    paths = [part for index in indices for part in network.tensors[index].name.split(";") if "/" in part]
    ends = MADE_BY.get(op.kind, ())
    chosen = [path for path in paths if re.sub(r"\d+$", "", path.rsplit("/", 1)[-1]) in ends] + paths
    for path in chosen:
        for part in reversed(path.split("/")[:-1]):
            for name in (part, re.sub(r"_\d+$", "", part)):
                if name in known:
                    return name
    if chosen and not known:
        parts = chosen[0].split("/")
        return re.sub(r"_\d+$", "", parts[-2])
    return f"{op.kind.lower()} {op.index}"
