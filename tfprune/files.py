"""Files that are whole or absent: written beside their destination, synced, then moved into place."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tfprune.errors import InputError

__all__ = [
    "ELSEWHERE", "NO_ROOM", "atomic_path", "check_destination", "error_number", "existing_file", "remove_temporaries",
    "write_atomically",
]  # fmt: skip

PathLike = str | os.PathLike[str]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of a disk that is full, or of a user who may have no more of it."""

ELSEWHERE = (errno.EROFS, errno.EACCES, errno.EPERM)
"""The errors of a place that can't be written to."""


def error_number(error: BaseException) -> int | None:
    """Return the system's number of an error, which HDF5 says in its sentences; None if it has none.

    Example:
        >>> error_number(OSError("file write failed: errno = 28, error message = 'No space left on device'"))
        28
    """
    if isinstance(error, OSError) and error.errno:
        return error.errno
    told = re.search(r"errno = (\d+)", str(error))
    return int(told[1]) if told else None


def existing_file(path: PathLike, *suffixes: str) -> Path:
    """Return `path` as a Path if it is a readable file, with one of `suffixes` if any are given.

    Raises:
        InputError: If the file does not exist, is a folder, or has another suffix.
    """
    found = Path(path)
    if found.is_dir():
        raise InputError(f"{found} is a folder; give the path of a file.")
    if not found.is_file():
        raise InputError(f"There is no file {found}; check the path.")
    if suffixes and found.suffix.lower() not in suffixes:
        raise InputError(f"{found} does not end in {' or '.join(suffixes)}; give a file of that kind.")
    return found


def check_destination(path: PathLike, *, overwrite: bool = False) -> Path:
    """Return `path` as a Path if a file may be written there.

    Call it before the work whose result is to be written, so that nothing is lost.

    Raises:
        InputError: If the file exists and `overwrite` is False, if its folder does not exist or is not writable.
    """
    destination = Path(path)
    if destination.is_dir():
        raise InputError(f"{destination} is a folder; give the path of a file to write.")
    if destination.exists() and not overwrite:
        raise InputError(
            f"{destination} exists; choose another path or allow overwriting (overwrite=True, --overwrite)."
        )
    folder = destination.parent
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to write {destination.name} into; create it first.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"The folder {folder} is not writable; choose another one.")
    return destination


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`, and move it to `path` when the block ends well.

    The temporary file has the same suffix, is synced to disk before it is moved, and is removed if the block raises.

    Example:
        >>> with atomic_path("notes.txt") as temporary:
        ...     _ = temporary.write_text("whole or absent")
    """
    destination = Path(path)
    handle, name = tempfile.mkstemp(dir=destination.parent, prefix=f".{destination.stem}-", suffix=destination.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files
        os.replace(temporary, destination)
    except OSError as error:
        # a full disk: libraries that write don't say where; an error of words alone would lose them by a file's name
        if error.errno is not None and error.filename is None:
            error.filename = str(destination)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_temporaries(folder: PathLike, *names: str) -> None:
    """Remove what `atomic_path` has left in a folder where its process was killed.

    Args:
        folder: The folder; nothing else may be writing there.
        names: Names of the files that were to be written, with `*` for any part of them.
    """
    for name in names:
        wanted = Path(name)
        for left in Path(folder).glob(f".{wanted.stem}-{'[a-z0-9_]' * 8}{wanted.suffix}"):
            left.unlink(missing_ok=True)


def write_atomically(path: PathLike, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `path`, all of it or nothing."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
