"""A network in a comparison: a Keras model or a .tflite file, what it answers and what it costs."""

from __future__ import annotations

import contextlib
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from tfprune.benchmark.child import Child
from tfprune.benchmark.flatbuffer import parsing, read_model, tensor_types
from tfprune.benchmark.inspection import inspect
from tfprune.benchmark.model_file import PathLike, check_model_file, gzip_bytes
from tfprune.benchmark.prediction import predict
from tfprune.cost import CostModel
from tfprune.errors import InputError
from tfprune.export.stored import read_stored
from tfprune.graph import trace
from tfprune.graph.tree import walk
from tfprune.inputs import InputSpec, Signature, first_batch, gather, signature_of
from tfprune.pruning.mask import read
from tfprune.pruning.selection import find_kernels
from tfprune.statistics.examples import unpack

__all__ = ["Facts", "Model", "Samples", "answers_of", "facts_of", "named_models", "samples_for"]

Array = NDArray[Any]
Model: TypeAlias = "keras.Model | PathLike"
"""A Keras model, or the path of a .tflite file."""


@dataclass(frozen=True)
class Facts:
    """What a network consists of.

    Args:
        parameters: Number of weights: of a Keras model all; of a file its constants but for shapes and the like,
            equal ones of which it holds once.
        macs: Multiply-accumulates for one sample; None where that is not known.
        bytes: Bytes of the file, or of the weights where there is none.
        gzip_bytes: The same after gzip.
        zeros: Share of zeros among the weights with two axes or more.
    """

    parameters: int
    macs: int | None
    bytes: int
    gzip_bytes: int
    zeros: float


@dataclass(frozen=True)
class Samples:
    """Samples for several networks.

    Args:
        names: Names of the inputs.
        inputs: An array for each.
        signature: How Keras models take them.
        labels: Their labels; None without.
    """

    names: tuple[str, ...]
    inputs: tuple[Array, ...]
    signature: Signature
    labels: Any


def named_models(models: Any) -> dict[str, Model]:
    """Return models by names: those of a dict, else their own, or the names of the files.

    Raises:
        InputError: If there are none, or one is neither a Keras model nor a .tflite file.
    """
    if isinstance(models, Mapping):
        found = {str(name): each for name, each in models.items()}
    else:
        given = [models] if isinstance(models, keras.Model | str | os.PathLike) else list(models)
        found = {}
        for each in given:
            name = each.name if isinstance(each, keras.Model) else Path(str(each)).name
            number = 2
            while name in found:
                name, number = f"{name.rsplit(' #', 1)[0]} #{number}", number + 1
            found[name] = each
    if not found:
        raise InputError("No model was given; give Keras models, paths of .tflite files, or a dict of them by name.")
    for name, each in found.items():
        if isinstance(each, keras.Model):
            continue
        if not isinstance(each, str | os.PathLike):
            raise InputError(f"{name!r} is a {type(each).__name__}; give a Keras model or the path of a .tflite file.")
        if Path(each).suffix == ".keras":
            raise InputError(f"{each} is a Keras file; load it first (keras.saving.load_model).")
        check_model_file(each)
    return found


def samples_for(models: Sequence[Model], data: Any, limit: int) -> Samples:
    """Return samples that the models take: the first Keras model, or else the first file, tells what they are."""
    model = next((each for each in models if isinstance(each, keras.Model)), None)
    if model is not None:
        signature = signature_of(model, batch_size=None, sample=first_batch(data))
    else:
        tensors = inspect(models[0]).inputs
        specs = tuple(
            InputSpec(x.name, (None, *x.shape[1:]), "float32" if x.is_quantized else x.dtype) for x in tensors
        )
        signature = Signature(specs, 0 if len(specs) == 1 else {spec.name: 0 for spec in specs})
    parts = unpack(data, limit)
    inputs = gather(data if parts is None else parts[0], signature, limit, "data")
    labels = None if parts is None else parts[1]
    names = tuple(spec.name for spec in signature.inputs)
    return Samples(names, tuple(inputs), signature, labels)


def answers_of(model: Model, samples: Samples, batch: int = 64) -> list[NDArray[np.float64]]:
    """Return what a network answers, an array for each output."""
    if isinstance(model, keras.Model):
        found = model.predict(samples.signature.pack(list(samples.inputs)), batch_size=batch, verbose=0)
        return [np.asarray(each).astype(np.float64) for each in tree.flatten(found)]
    given: Any = (
        samples.inputs[0] if len(samples.inputs) == 1 else dict(zip(samples.names, samples.inputs, strict=True))
    )
    return [np.asarray(each).astype(np.float64) for each in predict(model, given)]


def facts_of(model: Model, file: Path | None = None) -> Facts:
    """Return what a network consists of.

    Args:
        model: The network.
        file: The .tflite file of a Keras model; None counts the bytes of its weights.
    """
    if not isinstance(model, keras.Model):
        return file_facts(check_model_file(model))
    kernels = [read(kernel.variable) for kernel in find_kernels(dict(walk(model)))[0]]
    size = sum(values.size for values in kernels)
    zeros = (size - sum(int(np.count_nonzero(values)) for values in kernels)) / max(size, 1)
    parameters = sum(math.prod(weight.shape) for weight in model.weights)
    macs = None
    with contextlib.suppress(InputError):  # it can't be traced
        macs = CostModel(trace(model)).whole.macs
    if file is not None:
        return Facts(parameters, macs, file.stat().st_size, gzip_bytes(file), zeros)
    content = b"".join(np.ascontiguousarray(weight.numpy()).tobytes() for weight in model.weights)
    return Facts(parameters, macs, len(content), len(zlib.compress(content, 9)), zeros)


def file_facts(path: Path) -> Facts:
    """Return what a .tflite file consists of."""
    with Child(path, None) as child:
        child.hello()
        operations = child.ask("cut", "reading it", path=str(path))["operations"]
    macs = sum(int(each["macs"]) for each in operations)
    content = path.read_bytes()
    with parsing(path):
        return Facts(constants_of(content), macs, len(content), gzip_bytes(path), read_stored(content).sparsity)


def constants_of(content: bytes) -> int:
    """Return how many weights a file has: its constants, but for plain integers, which are shapes and the like."""
    model, types = read_model(content), tensor_types()
    total = 0
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is None or not len(data) or tensor.shape is None:
                continue
            quantized = tensor.quantization is not None and tensor.quantization.scale is not None
            if "float" in types[tensor.type] or quantized:
                total += int(np.prod(tensor.shape, dtype=np.int64))
    return total
