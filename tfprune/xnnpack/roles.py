"""What XNNPACK lets each operation of a sparse network be: inside of a cluster, its first or its last.

The rules are those of `xnn_check_nchw_compatibility` and of the fusion before it in XNNPACK's `src/subgraph.c`. With
sparse weights XNNPACK changes the layout of a part of the network, a *cluster*, to one plane for each channel; only
there are zeros skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag

from tfprune.xnnpack.network import Network, Operation

__all__ = ["Node", "Role", "nodes_of"]


class Role(IntFlag):
    """What an operation may be in a cluster."""

    NONE = 0
    INSIDE = 1
    FIRST = 2
    LAST = 4


@dataclass
class Node:
    """An operation as XNNPACK sees it, with the padding before it merged into it.

    Args:
        operation: The operation.
        inputs: Indices of the tensors that it reads and that are not constant.
        role: What it may be in a cluster.
        pointwise: The index of its kernel, if that is one whose zeros are skipped.
        problem: Why it can be nothing in a cluster.
        mend: What would let it be something.
    """

    operation: Operation
    inputs: tuple[int, ...]
    role: Role = Role.NONE
    pointwise: int | None = None
    problem: str = ""
    mend: str = ""


@dataclass(frozen=True)
class Verdict:
    """What one rule says."""

    role: Role = Role.NONE
    pointwise: int | None = None
    problem: str = ""
    mend: str = ""


@dataclass(frozen=True)
class Window:
    """Size, steps and padding (top, bottom, left, right) of a convolution; None if the runtime chooses it."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int] | None


Rule = Callable[[Network, Operation, tuple[int, int, int, int]], Verdict]

NO_PADDING = (0, 0, 0, 0)
SAME = 0  # the value of `Padding.SAME` in a .tflite file
UNARY = {
    "ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "NEG", "RELU",
    "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "ROUND", "RSQRT", "SIN", "SQRT", "SQUARE", "TANH",
}  # fmt: skip


def nodes_of(network: Network) -> list[Node]:
    """Return the operations with their roles, in order; a zero padding that only a convolution reads is part of it."""
    readers = network.readers()
    paddings: dict[int, tuple[Operation, tuple[int, int, int, int]]] = {}
    nodes = []
    for op in network.operations:
        found = zero_padding(network, op)
        if found is not None and readers[op.outputs[0]] == 1:
            paddings[op.outputs[0]] = (op, found)
            continue
        source = paddings.get(op.inputs[0]) if op.inputs else None
        merged = source is not None and op.kind in WINDOWED and mergeable(op)
        if source is not None and not merged:
            nodes.append(node_of(network, source[0], NO_PADDING, source[0].inputs[:1]))
        reads = (source[0].inputs[0], *op.inputs[1:]) if source is not None and merged else op.inputs
        nodes.append(node_of(network, op, source[1] if source is not None and merged else NO_PADDING, reads))
    return nodes


def node_of(network: Network, op: Operation, padding: tuple[int, int, int, int], reads: tuple[int, ...]) -> Node:
    """Return one operation with its role."""
    inputs = tuple(index for index in reads if index >= 0 and not network.tensors[index].constant)
    whole = not_float(network, op)
    if whole:
        verdict = Verdict(problem=f"computes in {whole}", mend="store the network as float32 or float16")
    else:
        verdict = rule_of(op.kind)(network, op, padding)
    return Node(op, inputs, verdict.role, verdict.pointwise, verdict.problem, verdict.mend)


def not_float(network: Network, op: Operation) -> str | None:
    """Return the type of a tensor of an operation that is no float, apart from axes and shapes."""
    reads = op.inputs if op.kind in (*WINDOWED, "FULLY_CONNECTED") else op.inputs[:1]
    types = [network.tensors[index].dtype for index in (*reads, *op.outputs) if index >= 0]
    return next((dtype for dtype in types if dtype not in ("float32", "float16")), None)


def zero_padding(network: Network, op: Operation) -> tuple[int, int, int, int] | None:
    """Return what a padding operation adds to (top, bottom, left, right) of images, or None if it is no such thing."""
    if op.kind not in ("PAD", "PADV2") or op.inputs[1] not in network.values:
        return None
    if op.kind == "PADV2" and network.tensors[op.inputs[2]].zeros != 1:
        return None
    pads = network.values[op.inputs[1]].reshape(-1, 2)
    if len(pads) != 4 or pads[0].any() or pads[3].any():
        return None
    return int(pads[1][0]), int(pads[1][1]), int(pads[2][0]), int(pads[2][1])


def mergeable(op: Operation) -> bool:
    """Whether a convolution's own padding is known before its input is, so that another one can be added to it."""
    return op.options["padding"] != SAME or (op.options["strideH"], op.options["strideW"]) == (1, 1)


def window_of(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Window:
    """Return the window of a convolution."""
    options = op.options
    _, height, width, _ = network.tensors[op.inputs[1]].shape
    size = (height, width)
    stride = (options["strideH"], options["strideW"])
    dilation = (options.get("dilationHFactor", 1), options.get("dilationWFactor", 1))
    if options["padding"] == SAME:
        if stride != (1, 1):
            return Window(size, stride, dilation, None)
        rows, columns = ((k - 1) * d for k, d in zip(size, dilation, strict=True))
        top, bottom, left, right = padding
        padding = (top + rows // 2, bottom + rows - rows // 2, left + columns // 2, right + columns - columns // 2)
    return Window(size, stride, dilation, padding)


def convolution(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Verdict:
    """Judge a convolution: 1 × 1, or the first one."""
    window = window_of(network, op, padding)
    kernel = network.tensors[op.inputs[1]]
    read = network.tensors[op.inputs[0]].shape[-1]
    if kernel.shape[-1] != read:
        return Verdict(problem=f"has {read // kernel.shape[-1]} groups", mend="use a convolution without groups")
    if window.dilation != (1, 1):
        return Verdict(problem=f"is dilated by {window.dilation}", mend="use no dilation")
    if window.size == (1, 1):
        if window.stride != (1, 1):
            return Verdict(
                problem=f"is 1 × 1 with strides {window.stride}",
                mend="move the strides into the depthwise convolution before it (needs training)",
            )
        if window.padding != NO_PADDING:
            return Verdict(problem="is 1 × 1 behind a padding", mend="leave that padding out (needs training)")
        return Verdict(Role.INSIDE, op.inputs[1])
    if window.size != (3, 3):
        return Verdict(
            problem=f"is {window.size[0]} × {window.size[1]}",
            mend="only 1 × 1 convolutions, and a 3 × 3 one at the very beginning, can be there: write it as a "
            "depthwise and a 1 × 1 convolution (tfprune.factorize(…, form='depthwise'))",
        )
    if read != 3:
        return Verdict(
            problem=f"is 3 × 3 and reads {read} channels",
            mend="only the first convolution, of three channels, may be 3 × 3"
            + (": repeat a grey image to three channels" if read == 1 else ": write it as depthwise and 1 × 1"),
        )
    if window.stride != (2, 2):
        return Verdict(problem=f"is the first one and has strides {window.stride}", mend="use strides of 2")
    return symmetric(network, op, window, 1, Role.FIRST)


def depthwise(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Verdict:
    """Judge a depthwise convolution: 3 × 3 or 5 × 5, strides 1 or 2, padded alike on all sides."""
    window = window_of(network, op, padding)
    if (
        op.options.get("depthMultiplier", 1) != 1
        and network.tensors[op.inputs[0]].shape[-1] != network.tensors[op.outputs[0]].shape[-1]
    ):
        return Verdict(problem="makes several channels of each", mend="use a depth multiplier of 1")
    if window.dilation != (1, 1):
        return Verdict(problem=f"is dilated by {window.dilation}", mend="use no dilation")
    if window.size not in ((3, 3), (5, 5)):
        return Verdict(
            problem=f"is {window.size[0]} × {window.size[1]}", mend="use 3 × 3 or 5 × 5, the only sizes with a kernel"
        )
    if window.stride not in ((1, 1), (2, 2)):
        return Verdict(problem=f"has strides {window.stride}", mend="use strides of 1 or 2")
    return symmetric(network, op, window, window.size[0] // 2, Role.INSIDE)


def symmetric(network: Network, op: Operation, window: Window, wanted: int, role: Role) -> Verdict:
    """Judge the padding of a convolution.

    For images of an odd size "same" pads alike on all sides, and the converter writes such a padding as "same", which
    the runtime does not look into.
    """
    if window.padding == (wanted,) * 4:
        return Verdict(role)
    mend = f"ZeroPadding2D({wanted}) before it and padding='valid' (keeps all shapes, shifts the grid: needs training)"
    if window.padding is None:
        sizes = network.tensors[op.inputs[0]].shape[1:3]
        if any(size % 2 for size in sizes):
            mend = f"it reads images of {sizes[0]} × {sizes[1]}: use an input size for which these are even, and {mend}"
        return Verdict(problem=f"is padded with 'same' at strides {window.stride}", mend=mend)
    top, bottom, left, right = window.padding
    return Verdict(problem=f"is padded by (({top}, {bottom}), ({left}, {right}))", mend=mend)


def add_or_multiply(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Verdict:
    """Judge a sum or a product."""
    shapes = [network.tensors[index].shape for index in op.inputs]
    if any(len(shape) != 4 for shape in shapes):
        return Verdict(
            problem="has an operand that is no batch of images",
            mend="hard_sigmoid becomes such operations: use a sigmoid; reshape to (1, 1, channels) by pooling with "
            "keepdims=True rather than by Reshape",
        )
    if any(network.tensors[index].constant for index in op.inputs) and sum(size != 1 for size in shapes[0]) > 1:
        return Verdict(problem="has a constant operand", mend="move the constant into the layer before it")
    return Verdict(Role.INSIDE)


def unary(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Verdict:
    """Judge an operation on single values."""
    if len(network.tensors[op.inputs[0]].shape) == 4:
        return Verdict(Role.INSIDE)
    return Verdict(problem="works on no batch of images", mend="put it after the global pooling")


def pooled(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Verdict:
    """Judge a mean or a sum over axes."""
    if len(network.tensors[op.inputs[0]].shape) == 4:
        return Verdict(Role.INSIDE | Role.LAST)
    return Verdict(problem="works on no batch of images", mend="put it after the global pooling")


def depth_to_space(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Verdict:
    """Judge a depth-to-space."""
    return Verdict(Role.LAST)


def resize(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Verdict:
    """Judge a bilinear resize."""
    if all(size > 1 for size in network.tensors[op.inputs[0]].shape[1:3]):
        return Verdict(Role.INSIDE)
    return Verdict(problem="resizes an image of one row or column", mend="use a larger image")


MENDS = {
    "CONCATENATION": "add instead of concatenating (another architecture: needs training)",
    "MAX_POOL_2D": "use a depthwise convolution with strides of 2, at the end global average pooling (needs training)",
    "AVERAGE_POOL_2D": "use a depthwise convolution with strides of 2, or GlobalAveragePooling2D at the end",
    "RESHAPE": "use GlobalAveragePooling2D() instead of Flatten or Reshape (needs training)",
    "PRELU": "use ReLU or LeakyReLU (needs training)",
    "RESIZE_NEAREST_NEIGHBOR": "resize bilinearly (needs training)",
    "REDUCE_MAX": "use GlobalAveragePooling2D instead of the maximum (needs training)",
}


def elsewhere(network: Network, op: Operation, padding: tuple[int, int, int, int]) -> Verdict:
    """Judge what no rule is for."""
    return Verdict(problem="has no kernel for planes of channels", mend=MENDS.get(op.kind, "leave it out, or move it"))


WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D")
RULES: dict[str, Rule] = {
    "ADD": add_or_multiply,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "DEPTH_TO_SPACE": depth_to_space,
    "MEAN": pooled,
    "MUL": add_or_multiply,
    "RESIZE_BILINEAR": resize,
    "SUM": pooled,
    **dict.fromkeys(UNARY, unary),
}


def rule_of(kind: str) -> Rule:
    """Return what judges operations of a kind."""
    return RULES.get(kind, elsewhere)
