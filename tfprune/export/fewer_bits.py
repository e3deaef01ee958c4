"""`requantize`: a float .tflite file stored with 8 or 4 bits, layer by layer, by ai-edge-quantizer."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.errors import BenchmarkError, ExportError, InputError, nearest, one_line
from tfprune.export.parity import agreement
from tfprune.export.process import run_module
from tfprune.export.result import ExportResult, Parity
from tfprune.export.stored import read_stored
from tfprune.files import PathLike, atomic_path, check_destination
from tfprune.sizes import readable
from tfprune.version import versions_of

__all__ = ["requantize"]

BITS = (4, 8)
ACTIVATIONS = ("dynamic", "float", "int8", "int16")
SECONDS = 1800.0
SAMPLES = 64
LARGEST = 1 << 30
"""Bytes that samples may take which are drawn to compare two files."""


def requantize(
    source: PathLike | ExportResult,
    path: PathLike,
    *,
    bits: int = 4,
    activations: str = "dynamic",
    layers: Mapping[str, int | None] | None = None,
    representative_data: Any = None,
    overwrite: bool = False,
    seed: int = 0,
) -> ExportResult:
    """Write a float32 .tflite file again, with weights of few bits, by ai-edge-quantizer (the extra "quantizer").

    Kernels are quantised symmetrically, with a scale for each output channel, so zeros of a pruned model stay zero. In
    contrast to `to_tflite` weights may have 4 bits, and layers differ. Prune first, then quantise; a sparse file is not
    taken, as its encoding would be lost.

    Args:
        source: A float32 .tflite file, or what `to_tflite` gave for it.
        path: The .tflite file to write.
        bits: Of weights: 4 or 8.
        activations: "dynamic": quantised while running; "float": weights are unpacked first; "int8" and "int16": by
            ranges seen on data; these need `representative_data`.
        layers: Bits of their own for some layers, by the name of the Keras layer; None leaves a layer in float.
        representative_data: Samples for the one input of the model, an array (samples, …), or a dict of them by input.
        overwrite: Whether an existing file may be replaced.
        seed: Seed of the random inputs on which both files are compared if there are no data.

    Returns:
        Sizes, inputs and outputs, and how the file compares with the source.

    Raises:
        InputError: If an argument can't be used, ai-edge-quantizer is not installed, or the file is no float32 one.
        ExportError: If it can't be quantised so, or the result can't be run; nothing has been written.

    Example:
        >>> result = tfprune.export.requantize("dense.tflite", "four.tflite", bits=4, layers={"classes": 8})
        >>> result.bytes < 80_000, result.quantize
        (True, 'dynamic, 4 bits')
    """
    if bits not in BITS:
        raise InputError(f"bits is {bits!r}; give 4 or 8.")
    if activations not in ACTIVATIONS:
        raise InputError(f"activations is {activations!r}. {nearest(str(activations), ACTIVATIONS)}")
    if activations.startswith("int") and representative_data is None:
        raise InputError(f"activations={activations!r} needs representative_data, some dozens of typical inputs.")
    if Path(path).suffix.lower() != ".tflite":
        raise InputError(f"{path} does not end in .tflite; give such a path.")
    destination = check_destination(path, overwrite=overwrite)
    if importlib.util.find_spec("ai_edge_quantizer") is None:
        raise InputError("ai-edge-quantizer is not installed; pip install 'tfprune[quantizer]'.")
    file = Path(source.path if isinstance(source, ExportResult) else source)
    content = checked(file)
    settings = {"bits": bits, "activations": activations, "layers": chosen(content, layers or {})}
    with tempfile.TemporaryDirectory(prefix="tfprune-requantize-") as scratch:
        made = quantized(file, settings, samples(content, representative_data), Path(scratch))
        with atomic_path(destination) as temporary:
            temporary.write_bytes(made)
            found = compare(file, temporary, content, representative_data, seed)
    stored = read_stored(made)
    return summary(destination, made, stored, f"{activations}, {bits} bits", found)


def checked(file: Path) -> bytes:
    """Return the contents of a float32 file.

    Raises:
        InputError: If it is none.
    """
    from tfprune.xnnpack.network import read_network

    network = read_network(file)
    if network.sparse:
        raise InputError(f"{file} leaves zeros out; quantise the file that has them, and leave them out of none.")
    odd = {tensor.dtype for tensor in network.tensors if tensor.constant} & {"float16", "int8", "int4"}
    if odd:
        raise InputError(f"{file} is stored as {', '.join(sorted(odd))} already; give a float32 file.")
    return file.read_bytes()


def chosen(content: bytes, layers: Mapping[str, int | None]) -> list[tuple[str, int | None]]:
    """Return patterns of tensor names and bits, for layers by name.

    Raises:
        InputError: If a layer is unknown, or its bits are none.
    """
    from tfprune.xnnpack.names import layer_name
    from tfprune.xnnpack.network import read_network

    network = read_network(content)
    outputs: dict[str, list[str]] = {}
    for op in network.operations:
        if op.outputs:  # a damaged file may have operations without
            outputs.setdefault(layer_name(network, op), []).append(network.tensors[op.outputs[0]].name)
    found = []
    for layer, bits in layers.items():
        if layer not in outputs:
            raise InputError(f"There is no layer {layer!r} in the file. {nearest(layer, outputs)}")
        if bits is not None and bits not in BITS:
            raise InputError(f"The bits of {layer!r} are {bits!r}; give 4, 8, or None for float.")
        found += [(f"^{re.escape(name)}", bits) for name in outputs[layer]]
    return found


def samples(content: bytes, data: Any) -> dict[str, Any]:
    """Return samples by the names of the inputs.

    Raises:
        InputError: If they are for other inputs, or have another shape.
    """
    if data is None:
        return {}
    inputs = read_stored(content).inputs
    given = dict(data) if isinstance(data, Mapping) else {inputs[0].name: data}
    if set(given) != {info.name for info in inputs}:
        raise InputError(f"The data are for {sorted(given)}; the file's inputs are {[info.name for info in inputs]}.")
    found = {}
    for info in inputs:
        values = np.asarray(given[info.name])[:SAMPLES]
        if values.ndim != len(info.shape) or tuple(values.shape[1:]) != tuple(info.shape[1:]) or not len(values):
            raise InputError(f"Samples for {info.name!r} have the shape {values.shape}; the file takes {info.shape}.")
        found[info.name] = values.astype(info.dtype)
    return found


def drawn(content: bytes, seed: int) -> dict[str, Any]:
    """Return random samples by the names of the inputs.

    Raises:
        ExportError: If a few of them would fill memory; a damaged file can say that it takes anything.
    """
    inputs, draw = read_stored(content).inputs, np.random.default_rng(seed)
    shapes = {info.name: (8, *(axis or 1 for axis in info.shape[1:])) for info in inputs}
    wanted = sum(8 * math.prod(shape) for shape in shapes.values())
    if wanted > LARGEST:
        raise ExportError(
            f"The files can't be compared: eight samples of {one_line(str(dict(shapes)))} would take "
            f"{readable(wanted)}. Give representative_data."
        )
    return {info.name: draw.random(shapes[info.name]).astype(info.dtype) for info in inputs}


def quantized(file: Path, settings: Mapping[str, Any], data: Mapping[str, Any], scratch: Path) -> bytes:
    """Return the quantised file, made in a process of its own.

    Raises:
        ExportError: If it can't be made.
    """
    np.savez(scratch / "data.npz", **data)
    out = scratch / "made.tflite"
    (scratch / "settings.json").write_text(json.dumps({**settings, "source": str(file.resolve()), "out": str(out)}))
    try:
        run_module("tfprune.export.fewer_bits_child", scratch, SECONDS, f"{file} can't be quantised so")
    except BenchmarkError as error:
        raise ExportError(str(error)) from error
    return out.read_bytes()


def compare(file: Path, made: Path, content: bytes, data: Any, seed: int) -> Parity:
    """Return how the two files agree.

    Raises:
        ExportError: If the new one can't be run.
    """
    from tfprune import benchmark

    given = samples(content, data) or drawn(content, seed)
    try:
        expected, actual = (benchmark.predict(each, given, threads=1) for each in (file, made))
    except BenchmarkError as error:
        raise ExportError(f"The quantised file can't be run: {error} Other bits or activations may work.") from error
    source = "random" if data is None else "representative_data"
    return agreement([np.asarray(one) for one in expected], [np.asarray(one) for one in actual], source)


def summary(path: Path, content: bytes, stored: Any, how: str, found: Parity) -> ExportResult:
    """Return the result."""
    import gzip
    import hashlib

    return ExportResult(
        path=path,
        bytes=len(content),
        gzip_bytes=len(gzip.compress(content, 9, mtime=0)),
        quantize=how,
        sparse=False,
        inputs=stored.inputs,
        outputs=stored.outputs,
        sparsity=stored.sparsity,
        parity=found,
        sha256=hashlib.sha256(content).hexdigest(),
        versions=versions_of("ai-edge-quantizer", "ai-edge-litert", "numpy"),
        notes=("Compared with the float file, not with Keras.",),
    )
