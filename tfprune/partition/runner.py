"""`tfprune.partition.run_stages`: the stages in a folder run, each in a process of its own. NumPy only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError, nearest
from tfprune.files import PathLike
from tfprune.numbers import is_integer, is_real
from tfprune.partition.amounts import bandwidth_of, delay_of
from tfprune.partition.awake import awake
from tfprune.partition.manifest import read_manifest
from tfprune.partition.row import Row
from tfprune.partition.run_result import RunResult
from tfprune.partition.run_summary import Alone, between, result_of

__all__ = ["run_stages"]

ALONE = 10
"""So many samples at most go one by one before a pipeline is filled, to know what one takes."""


def run_stages(
    folder: PathLike,
    inputs: Any,
    *,
    pipelined: bool = True,
    repeats: int = 1,
    emulate: bool = True,
    exits: bool = True,
    threads: int = 1,
    timeout: float = 60.0,
) -> RunResult:
    """Run the stages in a folder on this machine, each .tflite file in a process of its own.

    There is a process for each device, up to the last that does something; each sends on what later stages need. They
    share this machine, so that a pipeline is faster than one process only as far as there are cores.

    Handing a sample on from process to process takes time too, which no plan knows of. It is measured beside each
    sample that goes alone, by one whose tensors are handed on without anything being computed, and counted in what is
    expected here.

    Where the folder has exits (`EarlyExits.save`), samples that a head is sure of leave there: later stages and links
    do nothing for them, and the probabilities that the head gives are their outputs.

    With `emulate`, a device slower than this machine (speed below 1) sleeps for the rest of its time (idle processes of
    the lowest priority keep the cores awake meanwhile, as they would be in a device that computes), and each link
    sleeps for its delay and for its bytes over its bandwidth. A device that is faster can't be emulated: it runs as
    fast as this machine does. Such figures are no measurement of those devices; the result says what is emulated.

    Args:
        folder: What `Stages.save` wrote.
        inputs: Samples, first axis first: an array; of several inputs, a list in their order or a dict by name.
        pipelined: Whether all devices work at the same time, each on another sample; else the next sample begins when
            the one before it is done. A few samples go one by one in any case, to measure what one takes.
        repeats: How often all samples are run.
        emulate: Whether to take the times of the plan's devices and links.
        exits: Whether samples leave by the exits that the folder has.
        threads: Threads of each interpreter.
        timeout: Seconds to wait for a sample, beyond what is emulated.

    Returns:
        The outputs, and what stages and links took beside what the plan says.

    Raises:
        InputError: If the folder is not one of stages, or the inputs don't fit.
        BenchmarkError: If a stage can't be run: its process ends, or takes too long.
    """
    manifest = read_manifest(folder)
    if not exits:
        manifest["exits"] = []
    for name, value in (("repeats", repeats), ("threads", threads)):
        if not is_integer(value) or value < 1:
            raise InputError(f"{name} is {value!r}; give an int from 1.")
    if not is_real(timeout) or timeout <= 0:
        raise InputError(f"timeout is {timeout!r}; give seconds above 0.")
    arrays = named_inputs(manifest, inputs)
    count = len(next(iter(arrays.values())))
    settings = settings_of(manifest, Path(folder), threads=threads, emulate=emulate)
    extra = emulated_seconds(manifest) if emulate else 0.0

    def sample(number: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return {"sample": number, "times": []}, {
            name: x[number % count : number % count + 1] for name, x in arrays.items()
        }

    total = count * repeats
    outputs: list[dict[str, NDArray[Any]]] = []
    left: list[int] = []
    alone: list[Alone] = []
    seconds = None
    with awake() if emulate else nullcontext(), Row(settings, timeout) as row:
        row.send(*sample(0))
        row.receive(extra)  # the first has to start everything
        for number in range(min(total, ALONE) if pipelined else total):
            header, given = sample(number)
            idle_begin = time.perf_counter_ns()
            row.send({**header, "idle": True}, given)
            idle = row.receive(extra)[0]
            begin = time.perf_counter_ns()
            row.send(header, given)
            header, made = row.receive(extra)
            alone.append(Alone(header, begin, idle, idle_begin))
            outputs += [made] if number < count else []
            left += [header.get("left", 0)] if number < count else []
        if pipelined:
            outputs, left = [], []
            row.send_all(sample(number) for number in range(total))
            begin = time.perf_counter_ns()
            headers = []
            for number in range(total):
                header, made = row.receive(extra)
                headers.append(header)
                outputs += [made] if number < count else []
                left += [header.get("left", 0)] if number < count else []
            seconds = between(headers) if total > 1 else (headers[0]["arrived"] - begin) / 1e9
    made_outputs = packed(manifest["outputs"], outputs)
    return result_of(manifest, made_outputs, left, alone, seconds, total, emulate=emulate)


def settings_of(manifest: Mapping[str, Any], folder: Path, *, threads: int, emulate: bool) -> list[dict[str, Any]]:
    """Return what the process of each device has to know."""
    plan = manifest["plan"]
    devices, links = plan["devices"]["devices"], plan["devices"]["links"]
    place_of = {stage["number"]: stage["place"] for stage in plan["stages"]}
    files = {place_of[one["number"]]: one for one in manifest["stages"]}
    missing = [one["number"] for one in manifest["stages"] if not one.get("tflite")]
    if missing:
        raise InputError(f"Stage {missing[0]} in {folder} has no .tflite file; save the stages with tflite=True.")
    heads = {place_of[one["stage"]]: one for one in (manifest.get("exits") or ())}
    headless = [one["stage"] for one in heads.values() if not one.get("tflite")]
    if headless:
        raise InputError(
            f"The exit behind stage {headless[0]} in {folder} has no .tflite file; save the stages with tflite=True, "
            "or run them with exits=False."
        )
    found = []
    last = max(files)
    for place in range(last + 1):
        keep, charged = [], []
        for tensor in manifest["tensors"]:
            made_at = place_of.get(tensor["made_by"], -1)
            needed = any(place_of[number] > place for number in tensor["read_by"])
            if made_at <= place and (needed or tensor["output"]):
                keep.append(tensor["name"])
                charged += [tensor["name"]] if needed else []
        one = files.get(place)
        link = links[place] if emulate and place < last else None
        head = heads.get(place)
        found.append(
            {
                "place": place,
                "what": ("" if one is None else f"{one['tflite']} of ") + repr(devices[place]["name"]),
                "path": None if one is None else str((folder / one["tflite"]).resolve()),
                "threads": threads,
                "speed": devices[place]["speed"] if emulate else 1.0,
                "link": None if link is None else {
                    "rate": bandwidth_of(link["bandwidth"], "bandwidth"), "seconds": delay_of(link["delay"], "delay")
                },
                "keep": keep,
                "charged": charged,
                "exit": None if head is None else {
                    "path": str((folder / head["tflite"]).resolve()), "stage": head["stage"],
                    "confidence": head["confidence"], "output": manifest["outputs"],
                },
            }
        )  # fmt: skip
    return found


def emulated_seconds(manifest: Mapping[str, Any]) -> float:
    """Return how long a sample may take because of what is emulated, generously."""
    return 10 * float(manifest["plan"]["latency"]) / 1000


def names_in(structure: Any) -> list[str]:
    """Return the names in a structure, as `keras.tree.flatten` orders them."""
    if isinstance(structure, Mapping):
        return [name for key in sorted(structure) for name in names_in(structure[key])]
    if isinstance(structure, list | tuple):
        return [name for one in structure for name in names_in(one)]
    return [structure]


def named_inputs(manifest: Mapping[str, Any], inputs: Any) -> dict[str, NDArray[Any]]:
    """Return samples by the names of the network's inputs."""
    names = names_in(manifest["inputs"])
    if isinstance(inputs, Mapping):
        for name in inputs:
            if name not in names:
                raise InputError(f"The network has no input {name!r}. {nearest(name, names)}")
        lacking = [name for name in names if name not in inputs]
        if lacking:
            raise InputError(f"There are no samples for the input {lacking[0]!r}; give some for {', '.join(names)}.")
        found = {name: np.asarray(inputs[name]) for name in names}
    else:
        several = isinstance(inputs, list | tuple) and (len(names) > 1 or len(inputs) == 1)
        values: Sequence[Any] = inputs if several else [inputs]
        if len(values) != len(names):
            raise InputError(f"Samples for {len(values)} inputs were given; the network has {', '.join(names)}.")
        found = dict(zip(names, map(np.asarray, values), strict=True))
    wanted = {one["name"]: one["shape"] for one in manifest["tensors"]}
    for name, array in found.items():
        shape = tuple(wanted[name][1:])
        if array.dtype.kind not in "fiub" or array.shape[1:] != shape or not len(array):
            raise InputError(
                f"The samples for {name!r} have the shape {array.shape} and dtype {array.dtype}; expected numbers of "
                f"shape (samples, {', '.join(map(str, shape))})."
            )
    if len({len(array) for array in found.values()}) > 1:
        raise InputError(f"The inputs have {[len(x) for x in found.values()]} samples; give as many for each.")
    return found


def packed(structure: Any, outputs: Sequence[Mapping[str, NDArray[Any]]]) -> Any:
    """Return outputs of all samples in the structure in which the network returns them."""
    if isinstance(structure, Mapping):
        return {key: packed(one, outputs) for key, one in structure.items()}
    if isinstance(structure, list | tuple):
        return [packed(one, outputs) for one in structure]
    return np.concatenate([one[structure] for one in outputs])
