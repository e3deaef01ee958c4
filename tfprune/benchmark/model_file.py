"""A .tflite file as bytes: is it one, and how large is it."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from tfprune.errors import InputError
from tfprune.files import existing_file

__all__ = ["PathLike", "check_model_file", "gzip_bytes"]

PathLike = str | os.PathLike[str]

_IDENTIFIER = b"TFL3"  # at bytes 4 to 8 of every TFLite flatbuffer
_CHUNK = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS


def check_model_file(path: PathLike) -> Path:
    """Return the absolute path of a .tflite file.

    Raises:
        InputError: If there is no such file, it can't be read, or it has not the identifier of TFLite files.
    """
    found = existing_file(path)
    try:
        with open(found, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{found} can't be read ({error.strerror}); check its permissions.") from error
    if head[4:8] != _IDENTIFIER:
        raise InputError(
            f"{found} is not a .tflite file (bytes 4 to 8 are {head[4:8]!r}, not {_IDENTIFIER!r}); "
            "give a model that has been converted, for example by tfprune.export."
        )
    return found.absolute()


def gzip_bytes(path: Path) -> int:
    """Return the size of a file after gzip at its best level: what a download or an app store transfers."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    size = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            size += len(packer.compress(chunk))
    return size + len(packer.flush())
