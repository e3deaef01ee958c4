"""What is written for Android, beside what the interpreter says of the file."""

import hashlib
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfprune
from tfprune import BenchmarkError, InputError
from tfprune.export import to_android

CALLS = {
    "create", "createInputBuffers", "createOutputBuffers", "createInputBuffer", "createOutputBuffer", "run", "close",
    "writeFloat", "readFloat", "writeInt8", "readInt8", "writeInt", "readInt", "writeLong", "readLong", "writeBoolean",
    "readBoolean",
}  # fmt: skip
"""Methods of CompiledModel and TensorBuffer in litert/kotlin of github.com/google-ai-edge/LiteRT."""


def balanced(text):
    """Whether brackets match, outside of strings and comments."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', "", text, flags=re.DOTALL)
    open_ones = []
    for character in bare:
        if character in "([{":
            open_ones.append(")]}"["([{".index(character)])
        elif character in ")]}" and (not open_ones or open_ones.pop() != character):
            return False
    return not open_ones


def interpreter_of(path):
    from ai_edge_litert.interpreter import Interpreter

    found = Interpreter(model_path=str(path))
    found.allocate_tensors()
    return found


@pytest.mark.parametrize(
    ("quantize", "io_dtype"), [(None, "float32"), ("int8", "int8"), ("int8", "float32"), ("dynamic", "float32")]
)
def test_it_says_what_the_interpreter_says(cnn, images, quantize, io_dtype, tmp_path):
    labels = ["cat", "dog", "größer $als", 'a "bird"']
    made = to_android(
        cnn, tmp_path / "app", labels=labels, quantize=quantize, io_dtype=io_dtype, representative_data=images
    )
    model = tmp_path / "app" / "assets" / "model.tflite"
    said = json.loads((tmp_path / "app" / "assets" / "metadata.json").read_text())
    assert said == made.metadata
    interpreter = interpreter_of(model)
    for kind, details in (("inputs", interpreter.get_input_details()), ("outputs", interpreter.get_output_details())):
        for one, detail in zip(said[kind], details, strict=True):
            assert one["shape"] == detail["shape"].tolist()
            assert np.dtype(one["dtype"]) == detail["dtype"]
            scale, zero = detail["quantization"]
            assert (one["scale"], one["zero_point"]) == ((pytest.approx(scale), zero) if scale else (None, None))
    signatures = interpreter.get_signature_list()
    assert set(signatures) == {said["signature"]}
    assert sorted(signatures[said["signature"]]["inputs"]) == [one["name"] for one in said["inputs"]]
    assert signatures[said["signature"]]["outputs"] == [one["name"] for one in said["outputs"]]
    assert said["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert said["bytes"] == model.stat().st_size
    assert said["classes"] == 4
    assert said["made_with"]["keras"] == keras.__version__
    assert (tmp_path / "app" / "assets" / "labels.txt").read_text(encoding="utf-8").splitlines() == labels

    kotlin = (tmp_path / "app" / "Classifier.kt").read_text()
    assert balanced(kotlin)
    assert "require(image.size == 432)" in kotlin
    assert "intArrayOf(432)" in kotlin
    assert "intArrayOf(4)" in kotlin
    assert ("writeInt8(quantize(image, " in kotlin) == (io_dtype == "int8")
    if io_dtype == "int8":
        numbers = re.findall(r"quantize\([^,]+, ([\d.e-]+)f, (-?\d+)\)", kotlin)
        expected = [(one["scale"], one["zero_point"]) for one in (said["inputs"][0], said["outputs"][0])]
        assert [(np.float32(scale), int(zero)) for scale, zero in numbers] == [
            (np.float32(scale), zero) for scale, zero in expected
        ]
    called = set(re.findall(r"(?:inputs\[0\]|outputs\[0\]|model|it|CompiledModel)\.(\w+)\(", kotlin))
    assert called - {"readLines", "Options"} <= CALLS
    readme = (tmp_path / "app" / "README.md").read_text()
    assert 'implementation("com.google.ai.edge.litert:litert:2.3.0")' in readme
    assert 'noCompress += "tflite"' in readme
    assert "has not been compiled" in readme


def several():
    number, words = keras.Input((3,), name="a_number"), keras.Input((5,), dtype="int32", name="when")
    x = layers.Embedding(10, 4)(words)
    x = layers.Concatenate()([layers.Flatten()(x), number])
    return keras.Model([number, words], {"first": layers.Dense(2)(x), "second": layers.Dense(1)(x)})


def test_several_inputs_and_outputs_go_by_name(tmp_path):
    made = to_android(several(), tmp_path / "app", package="org.me.app_1")
    kotlin = (tmp_path / "app" / "Classifier.kt").read_text()
    assert balanced(kotlin)
    assert kotlin.startswith("package org.me.app_1\n")
    names = [one["name"] for one in made.metadata["inputs"]]
    assert sorted(names) == ["a_number", "when"]
    for name, kind, kotlin_name in (("a_number", "Float", "aNumber"), ("when", "Int", "whenValue")):
        assert f'"{name}" to model.createInputBuffer("{name}", "serving_default"),' in kotlin
        assert f"{kotlin_name}: {kind}Array" in kotlin
        assert f'inputs.getValue("{name}").write{kind}({kotlin_name})' in kotlin
    assert 'model.run(inputs, outputs, "serving_default")' in kotlin
    given = "".join(f"    val {one['name']}: FloatArray,\n" for one in made.metadata["outputs"])
    assert f"class Outputs(\n{given})\n" in kotlin
    assert "classify" not in kotlin
    assert made.metadata["classes"] is None


def test_of_a_file_and_of_an_export(cnn, tmp_path):
    result = tfprune.to_tflite(cnn, tmp_path / "m.tflite")
    first = to_android(tmp_path / "m.tflite", tmp_path / "first")
    again = to_android(result, tmp_path / "again")
    content = (tmp_path / "m.tflite").read_bytes()
    for made in (first, again):
        assert (made.folder / "assets" / "model.tflite").read_bytes() == content
        assert not (made.folder / "assets" / "labels.txt").exists()
        assert "labels" not in (made.folder / "Classifier.kt").read_text()
    assert again.export is result


def test_labels_have_to_be_as_many_as_classes(cnn, tmp_path):
    tfprune.to_tflite(cnn, tmp_path / "m.tflite")
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    for labels, message in (
        (tmp_path / "labels.txt", "There are 3 labels, and the model has 4 classes"),
        (["a"] * 5, "There are 5 labels, and the model has 4 classes"),
        ([], "there are none"),
        (["a", "", "b", "c"], "number 2 is no name"),
        (["a", "b\nc", "d", "e"], "number 2 is no name"),
        (tmp_path / "none.txt", "no file"),
    ):
        with pytest.raises(InputError, match=message):
            to_android(tmp_path / "m.tflite", tmp_path / "app", labels=labels)
    tfprune.to_tflite(several(), tmp_path / "s.tflite")
    with pytest.raises(InputError, match="no output that is a score"):
        to_android(tmp_path / "s.tflite", tmp_path / "app", labels=["a", "b"])
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        to_android(tmp_path / "m.tflite", tmp_path / "app", labels=tmp_path / "bytes.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bytes.txt", "labels.txt", "m.tflite", "s.tflite"]


def test_a_folder_that_exists(cnn, tmp_path):
    tfprune.to_tflite(cnn, tmp_path / "m.tflite")
    folder = tmp_path / "app"
    folder.mkdir()
    to_android(tmp_path / "m.tflite", folder, labels=list("abcd"))
    (folder / "mine.txt").write_text("mine")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="not empty"):
        to_android(tmp_path / "m.tflite", folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    to_android(tmp_path / "m.tflite", folder, overwrite=True)
    assert (folder / "mine.txt").read_text() == "mine"
    assert not (folder / "assets" / "labels.txt").exists(), "those of the model before are gone"
    with pytest.raises(InputError, match="is a file"):
        to_android(tmp_path / "m.tflite", tmp_path / "m.tflite")
    with pytest.raises(InputError, match="no folder"):
        to_android(tmp_path / "m.tflite", tmp_path / "none" / "app")
    for package in ("app", "Com.example", "com.example-x", "", None):
        with pytest.raises(InputError, match="package is"):
            to_android(tmp_path / "m.tflite", tmp_path / "other", package=package)
    assert not (tmp_path / "other").exists()


def test_what_android_can_not_run(cnn, images, tmp_path):
    @tf.function(input_signature=[tf.TensorSpec((1, 4, 4))])
    def decompose(x):
        return tf.linalg.qr(x)[1]

    converter = tf.lite.TFLiteConverter.from_concrete_functions([decompose.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (tmp_path / "flex.tflite").write_bytes(converter.convert())
    with pytest.raises(InputError, match=r"flex\.tflite needs FlexQr: TensorFlow Select \(Flex\) operations"):
        to_android(tmp_path / "flex.tflite", tmp_path / "app")

    tfprune.to_tflite(cnn, tmp_path / "u.tflite", quantize="int8", io_dtype="uint8", representative_data=images)
    with pytest.raises(InputError, match=r"'image' is of type uint8.*io_dtype='float32' or 'int8'"):
        to_android(tmp_path / "u.tflite", tmp_path / "app")
    tfprune.to_tflite(cnn, tmp_path / "open.tflite", batch_size=None)
    with pytest.raises(InputError, match="batch_size=1"):
        to_android(tmp_path / "open.tflite", tmp_path / "app")
    content = (tmp_path / "u.tflite").read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[:500])
    with pytest.raises(BenchmarkError):
        to_android(tmp_path / "cut.tflite", tmp_path / "app")
    with pytest.raises(InputError, match="are for Keras models"):
        to_android(tmp_path / "u.tflite", tmp_path / "app", quantize="int8")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".tflite"] * 4, "nothing is left"
