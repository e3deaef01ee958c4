"""The process of one device: reads tensors, runs its stage, sends on what later ones need. NumPy and interpreter only.

Its standard input is the standard output of the process before it, as in a pipeline of a shell. So it ends when the one
before it does, and the whole row ends with the program that started it. The first message is a greeting, which each
hands on when it has started and has not opened its file yet: how long Python takes to start is no fault of the file.
Reading, computing and sending are threads with room for one sample between them: a device computes while its link is
busy.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tfprune.benchmark.limits import restrain
from tfprune.benchmark.loaded_model import LoadedModel, shape_for
from tfprune.benchmark.runtime import Runtime, find_runtime
from tfprune.benchmark.tensors import decode, encode
from tfprune.partition.messages import read_message, write_message

__all__ = ["main"]

Arrays = dict[str, NDArray[Any]]
Sample = tuple[dict[str, Any], Arrays]


class Runner:
    """A stage in an interpreter.

    Args:
        path: Its .tflite file; None of a device that only hands on.
        threads: Threads of the interpreter.
        speed: It takes 1/speed as long as it takes: the rest is slept. 1 or more is as it is. With one thread its CPU
            time counts, so that waiting for a busy core is not multiplied.
        runtime: The interpreter.
    """

    def __init__(self, path: str | None, threads: int, speed: float, runtime: Runtime) -> None:
        self._model: LoadedModel | None = None
        self._speed = min(speed, 1.0)
        self._clock = time.thread_time_ns if threads == 1 else time.perf_counter_ns
        if path is not None:
            self._model = LoadedModel(runtime, path, threads)
            self._model.use_signature()
            self._model.allocate({x.index: shape_for(x, None, 1) for x in self._model.inputs})

    def __call__(self, known: Arrays, *, idle: bool = False) -> tuple[Arrays, int]:
        """Return what it makes, and the nanoseconds of the interpreter, with what is slept.

        Args:
            known: The tensors that are known so far.
            idle: Whether to do all but the computation: inputs are set, outputs are those of the last sample.
        """
        if self._model is None:
            return {}, 0
        given = [(x, np.ascontiguousarray(encode(known[x.name], x))) for x in self._model.inputs]
        for tensor, values in given:
            self._model.set(tensor, values)
        if idle:
            return self._outputs(), 0
        begin, start = time.perf_counter_ns(), self._clock()
        self._model.invoke()
        if self._speed < 1.0:
            wanted = (self._clock() - start) / self._speed
            time.sleep(max(wanted - (time.perf_counter_ns() - begin), 0.0) / 1e9)
        took = time.perf_counter_ns() - begin
        return self._outputs(), took

    def _outputs(self) -> Arrays:
        return {} if self._model is None else {x.name: decode(self._model.get(x), x) for x in self._model.outputs}


class Stage:
    """What one device does with a sample: its stage, and then the exit behind that, if there is one.

    Args:
        settings: Of the process, as `tfprune.partition.row.Row` has them.
        runtime: The interpreter.
    """

    def __init__(self, settings: dict[str, Any], runtime: Runtime) -> None:
        def runner(path: str | None) -> Runner:
            return Runner(path, settings["threads"], settings["speed"], runtime)

        self._settings = settings
        self._runner = runner(settings["path"])
        self._exit = settings.get("exit")
        self._head = None if self._exit is None else runner(self._exit["path"])

    def __call__(self, header: dict[str, Any], arrays: Arrays) -> Arrays:
        """Return what goes on; the header gets what it took, and whether the sample leaves here."""
        about = {"place": self._settings["place"], "read": header.pop("read"), "compute": 0, "exit": 0}
        header["times"].append(about)
        if "left" in header:
            return arrays
        idle = bool(header.get("idle"))
        made, about["compute"] = self._runner(arrays, idle=idle)
        arrays.update(made)
        if self._head is not None and self._exit is not None and not idle:
            found, about["exit"] = self._head(arrays)
            scores = next(iter(found.values()))
            if scores.max() >= self._exit["confidence"]:
                header.update(left=self._exit["stage"], left_at=time.perf_counter_ns())
                return {self._exit["output"]: scores}
        return {name: arrays[name] for name in self._settings["keep"]}


def main() -> None:
    """Run one stage until the input ends."""
    settings = json.loads(sys.argv[-1])
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a runtime that prints must not get between the messages
    restrain()
    runtime = find_runtime()
    if (hello := read_message(source)) is None:
        return
    write_message(target, *hello)
    stage = Stage(settings, runtime)
    coming: queue.Queue[Sample | None] = queue.Queue(1)
    going: queue.Queue[Sample | None] = queue.Queue(1)
    threading.Thread(target=read, args=(source, coming), daemon=True).start()
    sender = threading.Thread(target=send, args=(target, going, settings), daemon=True)
    sender.start()
    while (sample := coming.get()) is not None:
        header, arrays = sample
        going.put((header, stage(header, arrays)))
    going.put(None)
    sender.join()
    os._exit(0)


def read(source: BinaryIO, coming: queue.Queue[Sample | None]) -> None:
    """Hand on what comes."""
    while (sample := read_message(source)) is not None:
        sample[0]["read"] = time.perf_counter_ns()
        coming.put(sample)
    coming.put(None)


def send(target: BinaryIO, going: queue.Queue[Sample | None], settings: dict[str, Any]) -> None:
    """Send what is to go, as slowly as the link does."""
    link = settings["link"]
    try:
        while (sample := going.get()) is not None:
            header, arrays = sample
            header["times"][-1]["send"] = time.perf_counter_ns()
            if link is not None and not header.get("idle") and "left" not in header:
                size = sum(arrays[name].nbytes for name in settings["charged"])
                time.sleep(link["seconds"] + size / link["rate"])
            write_message(target, header, arrays)
    except BrokenPipeError:  # the next one has ended; who started us finds out why
        os._exit(0)


def failing() -> None:
    """Run `main`; whatever goes wrong is one line on standard error."""
    try:
        main()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    failing()
