"""Arrays with a header through a pipe: what stages in different processes say to each other. NumPy only."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_message", "write_message"]

Arrays = dict[str, NDArray[Any]]

LENGTH = struct.Struct("<I")


def write_message(stream: BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a header and arrays.

    Args:
        stream: Where to.
        header: What JSON can hold.
        arrays: The arrays by name.
    """
    kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    about = [{"name": name, "dtype": array.dtype.str, "shape": array.shape} for name, array in kept.items()]
    text = json.dumps({**header, "arrays": about}).encode("ascii")
    stream.write(LENGTH.pack(len(text)) + text)
    for array in kept.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], Arrays] | None:
    """Read a header and arrays; None where the stream ends, be it in the middle of a message."""
    start = read_exactly(stream, LENGTH.size)
    text = None if start is None else read_exactly(stream, LENGTH.unpack(bytes(start))[0])
    if text is None:
        return None
    header = dict(json.loads(bytes(text)))
    arrays: Arrays = {}
    for about in header.pop("arrays"):
        dtype, shape = np.dtype(about["dtype"]), tuple(about["shape"])
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        data = read_exactly(stream, size)
        if data is None:
            return None
        arrays[about["name"]] = np.frombuffer(data, dtype=dtype).reshape(shape)
    return header, arrays


def read_exactly(stream: BinaryIO, size: int) -> bytearray | None:
    """Read that many bytes; None if the stream ends before."""
    found = bytearray(size)
    view, done = memoryview(found), 0
    while done < size:
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            return None
        done += count
    return found
