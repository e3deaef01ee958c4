"""The Kotlin that runs one certain model with LiteRT's `CompiledModel`.

The methods that it calls are those of `CompiledModel` and `TensorBuffer` in litert/kotlin of
github.com/google-ai-edge/LiteRT. It has not been compiled where tfprune is tested, as no Android SDK is there; its
numbers are tested against the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.export.result import TensorInfo

__all__ = ["kotlin_text"]

KEYWORDS = frozenset(
    {
        "as", "break", "class", "continue", "do", "else", "false", "for", "fun", "if", "in", "interface", "is", "null",
        "object", "package", "return", "super", "this", "throw", "true", "try", "typealias", "typeof", "val", "var",
        "when", "while", "inputs", "outputs", "model", "labels", "run", "classify", "close",
    }
)  # fmt: skip
"""What a parameter may not be called: words of Kotlin, and names that the class has already."""

ARRAYS = {
    "float32": ("FloatArray", "Float"), "int32": ("IntArray", "Int"), "int64": ("LongArray", "Long"),
    "int8": ("ByteArray", "Int8"), "bool": ("BooleanArray", "Boolean"),
}  # fmt: skip
"""For each type of tensor Kotlin's array, and what the methods of `TensorBuffer` that read and write it end in."""


@dataclass(frozen=True)
class Value:
    """An input or an output in Kotlin."""

    info: TensorInfo
    name: str
    array: str
    method: str

    @property
    def quantized(self) -> bool:
        """Whether real values are written as integers, or the other way round."""
        return self.info.dtype == "int8" and self.info.scale is not None

    @property
    def size(self) -> int:
        """How many values it has."""
        return math.prod(axis or 1 for axis in self.info.shape)

    @property
    def steps(self) -> str:
        """The arguments of quantisation."""
        return f"{literal(self.info.scale or 1.0)}, {self.info.zero_point or 0}"


def kotlin_text(
    package: str, signature: str, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], *, labels: bool
) -> str:
    """Return Classifier.kt.

    Args:
        package: The package that it is in.
        signature: The name of the model's signature.
        inputs: The model's inputs.
        outputs: Its outputs.
        labels: Whether there are names of classes in assets/labels.txt.

    Raises:
        InputError: If a tensor is of a type that LiteRT's `TensorBuffer` neither reads nor writes.
    """
    given, made = values(inputs), values(outputs)
    several = len(given) > 1 or len(made) > 1
    scores = is_scores(outputs)
    called = ", ".join(f"{one.name}: {one.array}" for one in given)
    result = made[0].array if len(made) == 1 else "Outputs"
    return "\n".join(
        [
            f"package {package}",
            "",
            "import android.content.Context",
            "import com.google.ai.edge.litert.Accelerator",
            "import com.google.ai.edge.litert.CompiledModel",
            "",
            "/** Runs assets/model.tflite. Use it from one thread at a time, and close it when it is done with. */",
            "class Classifier(context: Context, accelerator: Accelerator = Accelerator.CPU) : AutoCloseable {",
            *(_labels() if labels else []),
            "    private val model =",
            '        CompiledModel.create(context.assets, "model.tflite", CompiledModel.Options(accelerator))',
            *_buffers(given, made, signature, several),
            "",
            "    /**",
            *(f"     * @param {one.name} {described(one)}" for one in given),
            *(f"     * @return {described(made[0])}" for _ in range(len(made) == 1)),
            "     */",
            f"    fun run({called}): {result} {{",
            *_run(given, made, signature if several else None),
            "    }",
            "",
            *(_classify(called, given, labels) if scores else []),
            "    override fun close() {",
            *_close(several),
            "        model.close()",
            "    }",
            "",
            *_quantization(given, made),
            "    companion object {",
            f"        /** How many values each input takes: {', '.join(one.name for one in given)}. */",
            f"        val INPUT_SIZES: IntArray = intArrayOf({', '.join(str(one.size) for one in given)})",
            "",
            "        /** How many values each output has. */",
            f"        val OUTPUT_SIZES: IntArray = intArrayOf({', '.join(str(one.size) for one in made)})",
            "    }",
            "}",
            *(_outputs(made) if len(made) > 1 else []),
            *(_scored() if scores else []),
            "",
        ]
    )


def is_scores(outputs: Sequence[TensorInfo]) -> bool:
    """Whether a model has one output, and that is a score for each of several classes."""
    return (
        len(outputs) == 1
        and len(outputs[0].shape) == 2
        and (outputs[0].shape[1] or 0) > 1
        and (outputs[0].dtype == "float32" or (outputs[0].dtype == "int8" and outputs[0].scale is not None))
    )


def values(tensors: Sequence[TensorInfo]) -> list[Value]:
    """Return tensors with names and types of Kotlin.

    Raises:
        InputError: If there is no type for one of them.
    """
    found: list[Value] = []
    for info in tensors:
        if info.dtype not in ARRAYS:
            raise InputError(
                f"{info.name!r} is of type {info.dtype}, which LiteRT's TensorBuffer has no method for; export the "
                "model with io_dtype='float32' or 'int8'."
            )
        array, method = ARRAYS[info.dtype]
        words = re.findall("[A-Za-z0-9]+", info.name) or ["value"]
        name = words[0][0].lower() + words[0][1:] + "".join(word.capitalize() for word in words[1:])
        name = f"value{name}" if name[0].isdigit() else f"{name}Value" if name in KEYWORDS else name
        while any(name == one.name for one in found):
            name += "2"
        quantized = info.dtype == "int8" and info.scale is not None
        found.append(Value(info, name, "FloatArray" if quantized else array, method))
    return found


def described(value: Value) -> str:
    """Return what a tensor is, for a comment."""
    shape = " x ".join(str(axis) for axis in value.info.shape)
    kind = f"real values, stored as int8 in steps of {value.info.scale:.6g}" if value.quantized else value.info.dtype
    return f"{shape} values, the last axis fastest ({kind})"


def literal(number: float) -> str:
    """Return a number as Kotlin's Float, all of its digits.

    Example:
        >>> literal(1.0), literal(0.00390625)
        ('1.0f', '0.00390625f')
    """
    text = f"{np.float32(number):.9g}"
    return f"{text}f" if any(mark in text for mark in ".en") else f"{text}.0f"


def quoted(text: str) -> str:
    r"""Return text as a string of Kotlin.

    Example:
        >>> print(quoted('a"$b'))
        "a\"\$b"
    """
    escaped = re.sub(r'([\\"$])', r"\\\1", text)
    return '"' + "".join(c if c.isprintable() else f"\\u{min(ord(c), 0xFFFF):04x}" for c in escaped) + '"'


def _labels() -> list[str]:
    return [
        "    /** The names of the classes, in the order of the scores. */",
        "    val labels: List<String> =",
        '        context.assets.open("labels.txt").bufferedReader().use { it.readLines() }',
        "",
    ]


def _buffers(given: Sequence[Value], made: Sequence[Value], signature: str, several: bool) -> list[str]:
    if not several:
        return [
            "    private val inputs = model.createInputBuffers()",
            "    private val outputs = model.createOutputBuffers()",
        ]
    lines = []
    for kind, tensors, method in (("inputs", given, "createInputBuffer"), ("outputs", made, "createOutputBuffer")):
        lines.append(f"    private val {kind} = mapOf(")
        for one in tensors:
            key = quoted(one.info.name)
            lines.append(f"        {key} to model.{method}({key}, {quoted(signature)}),")
        lines.append("    )")
    return lines


def _run(given: Sequence[Value], made: Sequence[Value], signature: str | None) -> list[str]:
    lines, several = [], signature is not None
    for number, one in enumerate(given):
        said = f'"{one.name} has ${{{one.name}.size}} values; the model takes {one.size}"'
        lines.append(f"        require({one.name}.size == {one.size}) {{ {said} }}")
        buffer = f"inputs.getValue({quoted(one.info.name)})" if several else f"inputs[{number}]"
        data = f"quantize({one.name}, {one.steps})" if one.quantized else one.name
        lines.append(f"        {buffer}.write{one.method}({data})")
    lines.append(
        "        model.run(inputs, outputs)"
        if signature is None
        else f"        model.run(inputs, outputs, {quoted(signature)})"
    )
    reads = []
    for number, one in enumerate(made):
        buffer = f"outputs.getValue({quoted(one.info.name)})" if several else f"outputs[{number}]"
        read = f"{buffer}.read{one.method}()"
        reads.append(f"dequantize({read}, {one.steps})" if one.quantized else read)
    if len(made) == 1:
        return [*lines, f"        return {reads[0]}"]
    return [*lines, "        return Outputs(", *(f"            {read}," for read in reads), "        )"]


def _classify(called: str, given: Sequence[Value], labels: bool) -> list[str]:
    label = "labels[best]" if labels else "best.toString()"
    return [
        "    /** Returns the class with the highest score. */",
        f"    fun classify({called}): Scored {{",
        f"        val scores = run({', '.join(one.name for one in given)})",
        "        val best = scores.indices.maxByOrNull { scores[it] } ?: 0",
        f"        return Scored(best, {label}, scores[best])",
        "    }",
        "",
    ]


def _close(several: bool) -> list[str]:
    part = ".values" if several else ""
    return [f"        inputs{part}.forEach {{ it.close() }}", f"        outputs{part}.forEach {{ it.close() }}"]


def _quantization(given: Sequence[Value], made: Sequence[Value]) -> list[str]:
    lines = []
    if any(one.quantized for one in given):
        lines += [
            "    private fun quantize(values: FloatArray, scale: Float, zeroPoint: Int) =",
            "        ByteArray(values.size) { i ->",
            "            (Math.rint((values[i] / scale).toDouble()).toInt() + zeroPoint).coerceIn(-128, 127).toByte()",
            "        }",
            "",
        ]
    if any(one.quantized for one in made):
        lines += [
            "    private fun dequantize(steps: ByteArray, scale: Float, zeroPoint: Int) =",
            "        FloatArray(steps.size) { i -> (steps[i] - zeroPoint) * scale }",
            "",
        ]
    return lines


def _outputs(made: Sequence[Value]) -> list[str]:
    return ["", "/** What the model gives. */", "class Outputs(", *(f"    val {o.name}: {o.array}," for o in made), ")"]


def _scored() -> list[str]:
    return [
        "",
        "/** A class: its number, its name and its score. */",
        "data class Scored(val index: Int, val label: String, val score: Float)",
    ]
