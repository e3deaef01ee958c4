"""Which operations of a network XNNPACK gets together: others between them cut it into parts."""

from __future__ import annotations

from tfprune.xnnpack.network import Network

__all__ = ["DELEGATED", "partitions"]

DELEGATED = frozenset(
    {
        "ABS", "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CEIL", "CONCATENATION", "CONV_2D", "COS", "DEPTH_TO_SPACE",
        "DEPTHWISE_CONV_2D", "DEQUANTIZE", "DIV", "ELU", "EXP", "EXPAND_DIMS", "FLOOR", "FULLY_CONNECTED", "GELU",
        "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "NEG",
        "PACK", "PAD", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1",
        "RESHAPE", "RESIZE_BILINEAR", "ROUND", "RSQRT", "SIN", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SQRT",
        "SQUARE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV", "UNPACK"
    }
)  # fmt: skip
"""Operations that LiteRT's XNNPACK delegate takes (`VisitNode` in `xnnpack_delegate.cc`)."""


def partitions(network: Network) -> list[set[int]]:
    """Return the places of operations that XNNPACK gets together, part by part.

    As LiteRT's `graph_info.cc` does it: as many operations as can run are put together that are taken alike, then as
    many of the other kind, and so on.

    Args:
        network: A network.

    Returns:
        The places in `network.operations`, of parts that XNNPACK takes.
    """
    waiting = dict(enumerate(network.operations))
    made_by = network.producers()
    done: set[int] = set()
    parts: list[set[int]] = []
    taken = True
    while waiting:
        part: set[int] = set()
        for place, op in list(waiting.items()):
            needed = {made_by[index] for index in op.inputs if index in made_by}
            if (op.kind in DELEGATED) == taken and needed <= done:
                part.add(place)
                done.add(place)
                del waiting[place]
        if taken and part:
            parts.append(part)
        if not part and not any({made_by[i] for i in op.inputs if i in made_by} <= done for op in waiting.values()):
            break  # a loop: no file that works has one
        taken = not taken
    return parts
