"""A .tflite file as C++ source for a microcontroller, with what a program that runs it has to know."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from tfprune.errors import InputError
from tfprune.export.inspection import inspect_file
from tfprune.export.result import ExportResult
from tfprune.files import PathLike, atomic_path, check_destination
from tfprune.micro.c_text import header_text, source_text
from tfprune.micro.measure import measure
from tfprune.micro.operations import resolver_lines
from tfprune.micro.requirements import check_runs_on_micro
from tfprune.numbers import is_integer
from tfprune.shown import Shown

__all__ = ["CArray", "c_array_paths", "to_c_array"]

SUFFIXES = ("", ".h", ".hpp", ".cc", ".cpp")
KEYWORDS = """
alignas alignof and asm auto bool break case catch char class concept const constexpr continue decltype default
delete do double else enum explicit export extern false float for friend goto if inline int long main mutable
namespace new noexcept not nullptr operator or private protected public register requires return short signed
sizeof static struct switch template this throw true try typedef typeid typename union unsigned using virtual
void volatile while xor
"""
RESERVED = frozenset(KEYWORDS.split())


@dataclass(frozen=True)
class CArray(Shown):
    """A model as C++ source.

    Args:
        header: The .h file: what the model is called, how long it is, what it needs.
        source: The .cc file with the bytes.
        name: The identifier of the array.
        bytes: The length of the array.
        sha256: The hash of the bytes.
        operations: The lines that register the operations that the model needs.
        arena_bytes: The tensor arena that it needs, or None if that was not measured.
    """

    header: Path
    source: Path
    name: str
    bytes: int
    sha256: str
    operations: tuple[str, ...]
    arena_bytes: int | None

    def __str__(self) -> str:
        arena = "not measured (pip install 'tfprune[micro]')" if self.arena_bytes is None else f"{self.arena_bytes:,}"
        return (
            f"{self.header} and {self.source.name}: {self.name}[{self.bytes:,}], {len(self.operations)} operations, "
            f"arena {arena}{'' if self.arena_bytes is None else ' bytes'}"
        )


def to_c_array(
    source: PathLike | ExportResult,
    path: PathLike,
    *,
    name: str = "model",
    arena_bytes: int | None = None,
    overwrite: bool = False,
) -> CArray:
    """Write a .tflite file as a pair of C++ files, for TensorFlow Lite Micro.

    The .cc file has the bytes, aligned to 16. The .h file declares them, and has as constants their length, the size of
    the tensor arena and shape, scale and zero point of inputs and outputs, and a function that registers the operations
    that the model needs with a `tflite::MicroMutableOpResolver`.

    Args:
        source: The .tflite file, or what `to_tflite` gave for it. It is not sparse, float16 or quantised dynamically.
        path: Where to write: the .h or .cc file, the other gets the same name beside it.
        name: What the array is called; what C++ does not allow in names becomes "_".
        arena_bytes: The size of the tensor arena. None measures it, if the package tflite-micro is installed, and else
            leaves it out.
        overwrite: Whether files that exist may be replaced.

    Returns:
        Where it is, and what was found.

    Raises:
        InputError: If an argument can't be used, or the file is one that TensorFlow Lite Micro can't run; nothing has
            been written.
        BenchmarkError: If the file is damaged, or crashes TensorFlow Lite Micro; nothing has been written.

    Example:
        >>> made = tfprune.export.to_c_array("dense.tflite", "dense_model.h", name="dense model", arena_bytes=70_000)
        >>> made.name, made.operations[0]
        ('dense_model', 'resolver.AddConv2D();')
    """
    header, code = c_array_paths(path, overwrite=overwrite)
    called = identifier(name)
    if arena_bytes is not None and (not is_integer(arena_bytes) or arena_bytes < 1):
        raise InputError(f"arena_bytes is {arena_bytes!r}; give a number of bytes from 1, or None to measure it.")
    file = Path(source.path) if isinstance(source, ExportResult) else Path(source)
    found = inspect_file(file)
    check_runs_on_micro(found)
    arena = measured_arena(file) if arena_bytes is None else int(arena_bytes)
    content = found.path.read_bytes()
    lines = resolver_lines(found.stored.operations)
    with atomic_path(code) as code_part, atomic_path(header) as header_part:  # both, or none of them
        code_part.write_text(source_text(called, header.name, content), encoding="utf-8")
        header_part.write_text(header_text(called, header.name, found, lines, arena), encoding="utf-8")
    return CArray(header, code, called, len(content), found.sha256, tuple(lines), arena)


def c_array_paths(path: PathLike, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Return the header and the source that are meant, if they may be written.

    Raises:
        InputError: If the path ends in something else, or one of the files can't be written.
    """
    given = Path(path)
    if given.suffix not in SUFFIXES:
        raise InputError(f"{given} is to be C++ source; give a path that ends in .h or .cc.")
    if not given.name.isprintable() or set(given.name) & set('"\\'):
        raise InputError(f"{given.name!r} can't stand in an #include; give a plainer name.")
    header = given if given.suffix in (".h", ".hpp") else given.with_suffix(".h")
    code = given if given.suffix in (".cc", ".cpp") else given.with_suffix(".cc")
    return check_destination(header, overwrite=overwrite), check_destination(code, overwrite=overwrite)


def identifier(name: str) -> str:
    """Return a name that C++ allows.

    Raises:
        InputError: If nothing of it is left.

    Example:
        >>> identifier("my-net 2"), identifier("3d"), identifier("class")
        ('my_net_2', 'model_3d', 'class_model')
    """
    clean = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_]", "_", name)).strip("_")
    if not clean:
        raise InputError(f"name is {name!r}; give one with letters or digits, such as 'model'.")
    if clean[0].isdigit():
        return f"model_{clean}"
    return f"{clean}_model" if clean in RESERVED else clean


def measured_arena(file: Path) -> int | None:
    """Return the arena that a file needs; None where nothing is installed that could tell."""
    if importlib.util.find_spec("tflite_micro") is None:
        return None
    return measure(file).arena_bytes
