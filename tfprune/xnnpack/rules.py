"""What is looked for in a network: each rule gives findings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from tfprune.targets import Target
from tfprune.xnnpack.clusters import Survey
from tfprune.xnnpack.findings import Finding
from tfprune.xnnpack.names import layer_name
from tfprune.xnnpack.network import Network, Operation
from tfprune.xnnpack.roles import Node, Role

__all__ = ["blocked", "open_ended", "refused", "uneven_channels", "unloadable"]

Namer = Callable[[Operation], str]

POOL = "end in GlobalAveragePooling2D() and a Dense layer"
TRAINED = "(needs training)"
KERNELS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1}


def namer(network: Network, known: Collection[str] = ()) -> Namer:
    """Return what names the layer of an operation."""
    return lambda op: layer_name(network, op, known)


def blocked(survey: Survey, name: Namer) -> Iterator[Finding]:
    """Yield what keeps zeros of 1 × 1 convolutions from being skipped."""
    pointwise = [node for node in survey.nodes if node.pointwise is not None]
    if not pointwise:
        other = {node.problem for node in survey.nodes if node.operation.kind == "CONV_2D"}
        types = {problem for problem in other if problem.startswith("computes in")}
        if types:
            yield Finding("blocks", "every convolution", types.pop(), "store the network as float32 or float16")
        else:
            yield Finding(
                "blocks",
                "the network",
                "has no 1 × 1 convolution",
                "only zeros of these are skipped; filters pay everywhere: granularity='filter'",
            )
        return
    if not any(node.role & Role.LAST for node in survey.nodes):
        yield Finding("blocks", "the network", "has no global average pooling", f"{POOL} {TRAINED}")
    seen: set[int] = set()
    for block in survey.blocks:
        cause = block.cause
        if cause is None:
            layer = name(block.node.operation)
            if block.reads:
                problem = "reads the model's input or an output of it"
                mend = (
                    "begin with a 3 × 3 convolution of three channels with strides of 2, and give no inner tensor out"
                )
            else:
                problem, mend = "gives an output of the model", "give no inner tensor out"
            yield Finding("blocks", layer, problem, mend)
        elif cause.problem and id(cause) not in seen and matters(survey, block.node, cause):
            seen.add(id(cause))
            yield Finding("blocks", name(cause.operation), cause.problem, cause.mend)


def matters(survey: Survey, node: Node, cause: Node) -> bool:
    """Whether a block has to do with 1 × 1 convolutions: they follow it, or end in it before any pooling."""
    reached = set(node.operation.outputs)
    if node.pointwise is not None:
        return True
    for other in survey.nodes:
        if reached & set(other.inputs):
            if other.pointwise is not None:
                return True
            reached |= set(other.operation.outputs)
    wanted = set(cause.inputs)
    for other in reversed(survey.nodes):
        if wanted & set(other.operation.outputs) and not other.role & Role.LAST:
            if other.pointwise is not None:
                return True
            wanted |= set(other.inputs)
    return False


def open_ended(network: Network, survey: Survey, name: Namer) -> Iterator[Finding]:
    """Yield the clusters whose result is taken for what it is not."""
    for cluster in survey.clusters:
        kind = "wrong" if network.sparse and cluster.enough(network) else "blocks"
        for node in cluster.open_ends:
            readers = [
                other
                for other in survey.nodes
                if set(node.operation.outputs) & set(other.inputs) and other not in cluster.nodes
            ]
            cause = next((other for other in readers if other.problem), None)
            made = {
                index for other in cluster.nodes if other.operation.kind == "MEAN" for index in other.operation.outputs
            }
            pooled = bool(made & set(node.inputs))
            yield open_end(kind, node, cause, name, last=not readers, pooled=pooled)


def open_end(kind: str, node: Node, cause: Node | None, name: Namer, *, last: bool, pooled: bool) -> Finding:
    """Return the finding about one open end: an output of the model, or something that can't be in a cluster."""
    if pooled:
        return Finding(
            kind,
            name(node.operation),
            "is a 1 × 1 convolution behind the global pooling",
            "use a Dense layer for it (lint(fix=True) does)",
        )
    if cause is not None:
        problem = f"{cause.problem}, and reads what 1 × 1 convolutions with skipped zeros make"
        return Finding(kind, name(cause.operation), problem, cause.mend)
    if last:
        return Finding(
            kind,
            name(node.operation),
            "is a 1 × 1 convolution that gives an output of the model",
            "let the output come from a global average pooling or from what follows it",
        )
    return Finding(
        kind,
        name(node.operation),
        "gives an output of the model and is read on",
        "give no inner tensor out",
    )


def refused(network: Network, name: Namer) -> Iterator[Finding]:
    """Yield sparse weights that the runtime can't load: 8-bit ones under float activations, but in blocks for Dense."""
    for op in network.operations:
        if op.kind not in KERNELS or len(op.inputs) < 2:
            continue
        kernel, read = network.tensors[op.inputs[1]], network.tensors[op.inputs[0]]
        if kernel.sparse and kernel.dtype == "int8" and read.dtype == "float32":
            if op.kind == "FULLY_CONNECTED" and kernel.blocks:
                continue
            yield Finding(
                "fails",
                name(op),
                "has sparse 8-bit weights and float inputs",
                "store it as float16 (quantize='float16', sparse=True), or dense",
            )


def unloadable(network: Network, target: Target, name: Namer) -> Iterator[Finding]:
    """Yield weights in a form that the interpreter of a target does not know."""
    for op in network.operations:
        if op.kind not in KERNELS or len(op.inputs) < 2:
            continue
        kernel, read = network.tensors[op.inputs[1]], network.tensors[op.inputs[0]]
        if kernel.sparse and not target.stores_sparse:
            yield Finding("fails", name(op), "has sparse weights", "store it dense: leave sparse out")
        elif kernel.dtype == "int8" and read.dtype == "float32" and "dynamic" not in target.precisions:
            yield Finding("fails", name(op), "has 8-bit weights and float inputs", "store it with quantize='int8'")
    halves = [tensor for tensor in network.tensors if tensor.dtype == "float16"]
    if halves and "float16" not in target.precisions:
        yield Finding("fails", "the network", "has float16 weights", "store it with quantize='int8'")


def uneven_channels(network: Network, target: Target, name: Namer) -> Iterator[Finding]:
    """Yield layers with a number of channels for which the runtime's kernels are not filled."""
    ends = set(network.outputs)
    for op in reversed(network.operations):
        if op.kind in ("RESHAPE", "SOFTMAX", "LOGISTIC", "DEQUANTIZE", "QUANTIZE") and ends & set(op.outputs):
            ends |= set(op.inputs[:1])
    for op in network.operations:
        if op.kind not in ("CONV_2D", "FULLY_CONNECTED") or set(op.outputs) & ends:
            continue
        made = network.tensors[op.outputs[0]]
        multiple = target.channels("int8" if made.dtype == "int8" else "float32")
        count = made.shape[-1] if made.shape else 0
        if count > multiple and count % multiple:
            yield Finding(
                "channels",
                f"{name(op)} ({count})",
                f"has a number of channels that is no multiple of {multiple}",
                f"prune with round_to={multiple}, or granularity='filter' and target='{target.name}'",
            )
