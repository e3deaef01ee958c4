"""The text of the C++ files that hold a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from tfprune.export.inspection import Inspected
from tfprune.export.result import TensorInfo
from tfprune.version import __version__

__all__ = ["header_text", "source_text"]

BYTES_A_LINE = 16


def source_text(name: str, header: str, content: bytes) -> str:
    """Return the .cc file.

    Args:
        name: The identifier of the array.
        header: The name of the .h file.
        content: The bytes of the model.
    """
    rows = (content[start : start + BYTES_A_LINE] for start in range(0, len(content), BYTES_A_LINE))
    body = "\n".join("    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows)
    return (
        f'#include "{header}"\n\nalignas(16) const unsigned char {name}[] = {{\n{body}\n}};\n'
        f"const size_t {name}_len = sizeof({name});\n"
    )


def header_text(name: str, header: str, found: Inspected, lines: Sequence[str], arena: int | None) -> str:
    """Return the .h file.

    Args:
        name: The identifier of the array.
        header: The name of this file.
        found: What the .tflite file holds.
        lines: What registers its operations.
        arena: The size of the tensor arena, or None if it is not known.
    """
    guard = f"{name.upper()}_H_"
    arena_lines = (
        [
            "// How large the arena has to be was not measured. Find out on the device: begin with far too much, and",
            "// see what interpreter.arena_used_bytes() says.",
        ]
        if arena is None
        else [
            "// The smallest tensor arena, measured with the reference kernels on a machine with 64-bit pointers. With",
            "// optimised kernels (CMSIS-NN, ESP-NN) more may be needed: interpreter.arena_used_bytes() tells.",
            f"constexpr size_t {name}_arena_bytes = {arena};",
        ]
    )
    size = "ARENA_BYTES" if arena is None else f"{name}_arena_bytes"
    return "\n".join(
        [
            f"// {plain(found.path.name)} as C++, made by tfprune {__version__}. {found.bytes} bytes, SHA-256:",
            f"// {found.sha256}",
            "//",
            "// To run it with TensorFlow Lite Micro:",
            "//",
            f"//   static tflite::MicroMutableOpResolver<{name}_operations> resolver;",
            f"//   {name}_add_operations(resolver);",
            f"//   alignas(16) static uint8_t arena[{size}];",
            f"//   static tflite::MicroInterpreter interpreter(tflite::GetModel({name}), resolver, arena, {size});",
            "//   interpreter.AllocateTensors();",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            "#include <stddef.h>",
            "#include <stdint.h>",
            "",
            f"alignas(16) extern const unsigned char {name}[];",
            f"extern const size_t {name}_len;",
            "",
            *arena_lines,
            "",
            "// The operations that the model needs.",
            f"constexpr unsigned int {name}_operations = {len(lines)};",
            "template <typename Resolver>",
            f"inline void {name}_add_operations(Resolver& resolver) {{",
            *(f"  {line}" for line in lines),
            "}",
            "",
            *_tensors(name, "input", found.stored.inputs),
            *_tensors(name, "output", found.stored.outputs),
            f"#endif  // {guard}",
            "",
        ]
    )


def _tensors(name: str, kind: str, tensors: Iterable[TensorInfo]) -> list[str]:
    lines = []
    for number, info in enumerate(tensors):
        prefix = f"{name}_{kind}_{number}"
        lines.append(f"// {kind} {number}, {plain(str(info))}")
        lines.append(f"constexpr size_t {prefix}_values = {math.prod(axis or 1 for axis in info.shape)};")
        if info.scale is not None:
            lines.append("// real value = scale * (integer - zero_point)")
            lines.append(f"constexpr float {prefix}_scale = {literal(info.scale)};")
            lines.append(f"constexpr int {prefix}_zero_point = {info.zero_point or 0};")
        lines.append("")
    return lines


def literal(value: float) -> str:
    """Return a number as a C++ float, all of its digits.

    Example:
        >>> literal(1.0), literal(0.00390625)
        ('1.0f', '0.00390625f')
    """
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if any(mark in text for mark in ".en") else f"{text}.0f"


def plain(text: str) -> str:
    """Return text that can stand in a comment of one line, whatever a file calls its tensors."""
    return "".join(c if c.isascii() and c.isprintable() and c not in "\\?" else "_" for c in text.replace("×", "x"))
