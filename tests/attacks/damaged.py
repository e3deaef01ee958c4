"""Damaged `.tflite` files: bytes flipped by chance, and files of the right form with a wrong model in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfprune.benchmark.flatbuffer import read_model, write_model

NUMBERS = (-(2**31), -(2**16), -2, -1, 0, 1, 2, 3, 7, 64, 255, 2**16, 2**30, 2**31 - 1)
"""What indices, sizes, types and the like are replaced by."""

NAMES = (
    "", "\0", "../../../tmp/PWNED", "/etc/passwd", "<script>alert(1)</script>", "\x1b[31mred\x1b[0m\r\nline",
    "a" * 10_000, "\ud800".encode("utf-8", "surrogatepass"), b"\xff\xfe\x00", "名前/層:0", "%s%n{0.__class__}",
)  # fmt: skip

Draw = np.random.Generator
EDITS: list[Callable[[Any, Draw], None]] = []


def edit(change: Callable[[Any, Draw], None]) -> Callable[[Any, Draw], None]:
    """Register a change of the object tree of a model."""
    EDITS.append(change)
    return change


def flipped(content: bytes, draw: Draw) -> bytes:
    """Return a file with one to thirty-two bytes replaced, or cut off somewhere."""
    if draw.random() < 0.05:
        return content[: int(draw.integers(8, len(content)))]
    damaged = bytearray(content)
    # Half of the time at the ends, where tables and offsets are.
    ends = draw.random() < 0.5
    for _ in range(int(2 ** draw.integers(0, 6))):
        place = int(draw.integers(0, min(512, len(content)) if ends else len(content)))
        damaged[place if draw.random() < 0.5 else -place] = int(draw.integers(256))
    damaged[4:8] = content[4:8]  # else it is no .tflite file, which is another test
    return bytes(damaged)


def edited(content: bytes, draw: Draw) -> bytes:
    """Return a valid flatbuffer whose model has one to three things wrong."""
    while True:
        model = read_model(content)
        try:
            for _ in range(int(draw.integers(1, 4))):
                EDITS[int(draw.integers(len(EDITS)))](model, draw)
            return write_model(model)
        except Exception:  # nothing is left to edit, or the schema itself does not allow it: draw again
            continue


def number(draw: Draw) -> int:
    return int(NUMBERS[int(draw.integers(len(NUMBERS)))])


def one(draw: Draw, things: Any) -> Any:
    return things[int(draw.integers(len(things)))]


def graph_of(model: Any, draw: Draw) -> Any:
    """Return the first graph of a model, or often another one: the body of a loop, say."""
    others = model.subgraphs[1:]
    return one(draw, others) if others and draw.random() < 0.4 else model.subgraphs[0]


@edit
def shape(model: Any, draw: Draw) -> None:
    tensor = one(draw, graph_of(model, draw).tensors)
    kinds = (
        [number(draw)] * (0 if tensor.shape is None else len(tensor.shape)), [1] * int(draw.integers(0, 40)),
        [2**16] * 6, None,
    )  # fmt: skip
    tensor.shape = kinds[int(draw.integers(len(kinds)))]


@edit
def one_size(model: Any, draw: Draw) -> None:
    tensor = one(draw, graph_of(model, draw).tensors)
    if tensor.shape is not None and len(tensor.shape):
        tensor.shape = [int(size) for size in tensor.shape]
        tensor.shape[int(draw.integers(len(tensor.shape)))] = number(draw)


@edit
def signature_shape(model: Any, draw: Draw) -> None:
    one(draw, graph_of(model, draw).tensors).shapeSignature = [number(draw) for _ in range(int(draw.integers(0, 6)))]


@edit
def kind_of_tensor(model: Any, draw: Draw) -> None:
    one(draw, graph_of(model, draw).tensors).type = int(draw.integers(0, 24))


@edit
def buffer_of_tensor(model: Any, draw: Draw) -> None:
    one(draw, graph_of(model, draw).tensors).buffer = abs(number(draw))


@edit
def contents(model: Any, draw: Draw) -> None:
    buffer = one(draw, model.buffers)
    kept = 0 if buffer.data is None else int(draw.integers(0, len(buffer.data) + 1))
    choices = (
        None,
        np.zeros(0, np.uint8),
        np.full(64, 255, np.uint8),
        None if buffer.data is None else buffer.data[:kept],
    )
    buffer.data = choices[int(draw.integers(len(choices)))]


@edit
def input_of_operation(model: Any, draw: Draw) -> None:
    operator = one(draw, graph_of(model, draw).operators)
    inputs = [] if operator.inputs is None else [int(i) for i in operator.inputs]
    if inputs and draw.random() < 0.6:
        inputs[int(draw.integers(len(inputs)))] = number(draw)
    else:
        inputs = inputs[: int(draw.integers(0, len(inputs) + 1))] + [number(draw)] * int(draw.integers(0, 3))
    operator.inputs = inputs


@edit
def output_of_operation(model: Any, draw: Draw) -> None:
    operator = one(draw, graph_of(model, draw).operators)
    operator.outputs = [number(draw)] if draw.random() < 0.7 else []


@edit
def loop(model: Any, draw: Draw) -> None:
    """An operation reads what it makes, or what comes later."""
    operators = graph_of(model, draw).operators
    one(draw, operators).inputs = list(one(draw, operators).outputs)


@edit
def kind_of_operation(model: Any, draw: Draw) -> None:
    code = one(draw, model.operatorCodes)
    code.builtinCode = int(draw.integers(0, 220))
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.customCode = None if draw.random() < 0.5 else one(draw, NAMES)


@edit
def code_of_operation(model: Any, draw: Draw) -> None:
    one(draw, graph_of(model, draw).operators).opcodeIndex = abs(number(draw))


@edit
def version_of_operation(model: Any, draw: Draw) -> None:
    one(draw, model.operatorCodes).version = number(draw)


@edit
def options(model: Any, draw: Draw) -> None:
    operator = one(draw, graph_of(model, draw).operators)
    values = vars(operator.builtinOptions) if operator.builtinOptions is not None else {}
    if not values or draw.random() < 0.3:
        operator.builtinOptions, operator.builtinOptionsType = None, 0
        return
    name = one(draw, sorted(values))
    if isinstance(values[name], int | float) and not isinstance(values[name], bool):
        setattr(operator.builtinOptions, name, number(draw))


@edit
def quantisation(model: Any, draw: Draw) -> None:
    tensor = one(draw, graph_of(model, draw).tensors)
    if tensor.quantization is None:
        return
    tensor.quantization.scale = one(draw, ([float("nan")], [0.0], [-1.0], [1e38] * 3, [], None))
    tensor.quantization.zeroPoint = one(draw, ([number(draw)], [], None))
    tensor.quantization.quantizedDimension = number(draw)


@edit
def sparsity(model: Any, draw: Draw) -> None:
    stored = [tensor for tensor in graph_of(model, draw).tensors if tensor.sparsity is not None]
    if not stored:
        return
    about = one(draw, stored).sparsity
    choice = int(draw.integers(4))
    if choice == 0:
        about.traversalOrder = [number(draw) for _ in range(int(draw.integers(0, 6)))]
    elif choice == 1:
        about.blockMap = [number(draw)]
    elif choice == 2:
        one(draw, about.dimMetadata).denseSize = number(draw)
    else:
        about.dimMetadata = about.dimMetadata[: int(draw.integers(0, len(about.dimMetadata)))]


@edit
def inputs_of_graph(model: Any, draw: Draw) -> None:
    graph_of(model, draw).inputs = one(draw, ([number(draw)], [], [0] * 300, [number(draw), 0]))


@edit
def outputs_of_graph(model: Any, draw: Draw) -> None:
    graph_of(model, draw).outputs = one(draw, ([number(draw)], [], [0] * 300, [number(draw), 0]))


@edit
def operations_in_another_order(model: Any, draw: Draw) -> None:
    graph = graph_of(model, draw)
    graph.operators = [graph.operators[int(n)] for n in draw.permutation(len(graph.operators))]


@edit
def no_operations(model: Any, draw: Draw) -> None:
    graph_of(model, draw).operators = [] if draw.random() < 0.5 else None


@edit
def another_graph(model: Any, draw: Draw) -> None:
    model.subgraphs = [] if draw.random() < 0.3 else model.subgraphs * 2


@edit
def names(model: Any, draw: Draw) -> None:
    for tensor in graph_of(model, draw).tensors:
        tensor.name = one(draw, NAMES)


@edit
def signatures(model: Any, draw: Draw) -> None:
    for signature in model.signatureDefs or []:
        signature.signatureKey = one(draw, NAMES)
        signature.subgraphIndex = abs(number(draw)) if draw.random() < 0.3 else 0
        for tensor in (*(signature.inputs or []), *(signature.outputs or [])):
            tensor.name = one(draw, NAMES)
            tensor.tensorIndex = abs(number(draw)) if draw.random() < 0.3 else tensor.tensorIndex


@edit
def description(model: Any, draw: Draw) -> None:
    model.description, model.version = one(draw, NAMES), abs(number(draw))


WAYS = {"flipped": flipped, "edited": edited}


def damaged(originals: list[bytes], way: str, seed: int) -> bytes:
    """Return the damaged file of a number: always the same one."""
    draw = np.random.default_rng([seed, len(way)])
    return WAYS[way](originals[seed % len(originals)], draw)
