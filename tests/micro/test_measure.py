"""What TensorFlow Lite Micro needs for a file, beside what its own interpreter says in a process without tfprune."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import tfprune
from tfprune import BenchmarkError, InputError
from tfprune.micro import measure

pytest.importorskip("tflite_micro")

INDEPENDENT = """
import json, os, sys
import numpy as np
from tflite_micro import runtime

content = open(sys.argv[1], "rb").read()
samples = np.load(sys.argv[2])

def works(size):
    child = os.fork()  # an arena that is too small can crash the process
    if child == 0:
        try:
            runtime.Interpreter.from_bytes(content, arena_size=size).invoke()
        except RuntimeError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0

low, high = 0, 1 << 14  # of 16 bytes each
while high - low > 1:
    middle = (low + high) // 2
    low, high = (low, middle) if works(16 * middle) else (middle, high)
smallest = 16 * high
interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 20)
details = interpreter.get_input_details(0)["quantization_parameters"]
scale, zero = details["scales"][0], details["zero_points"][0]
outputs = []
for sample in samples:
    steps = np.clip(np.rint(sample[None] / np.float32(scale)) + zero, -128, 127).astype("int8")
    interpreter.set_input(steps, 0)
    interpreter.invoke()
    outputs.append(interpreter.get_output(0).tolist())
print(json.dumps([smallest, outputs]))
"""


def reference(path, samples):
    """What LiteRT answers with its reference kernels, in this process and without tfprune."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    lite = Interpreter(model_path=str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    lite.allocate_tensors()
    (given,), (made,) = lite.get_input_details(), lite.get_output_details()
    answers = []
    for sample in samples:
        scale, zero = given["quantization"]
        lite.set_tensor(given["index"], np.clip(np.rint(sample[None] / scale) + zero, -128, 127).astype("int8"))
        lite.invoke()
        scale, zero = made["quantization"]
        answers.append((lite.get_tensor(made["index"])[0].astype(int) - zero) * scale)
    return np.array(answers)


@pytest.mark.parametrize("name", ["conv", "depthwise", "dense"])
def test_agrees_with_the_interpreters_themselves(name, int8_files, images, tmp_path):
    path, samples = int8_files[name], images[:16]
    np.save(tmp_path / "x.npy", samples)
    command = [sys.executable, "-c", INDEPENDENT, str(path), str(tmp_path / "x.npy")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    smallest, outputs = json.loads(said.splitlines()[-1])

    found = measure(path, inputs=samples)
    assert found.arena_bytes == smallest
    assert abs(found.arena_bytes - found.reported_bytes) < 1000, "what it prints is what it needs"
    assert found.activation_bytes + found.persistent_bytes == found.reported_bytes
    assert found.flash_bytes == path.stat().st_size
    assert found.samples == 16
    assert found.source == "given"
    assert found.max_steps is not None
    assert found.max_steps <= 1, "one step of quantisation"

    scale, zero = found.outputs[0].scale, found.outputs[0].zero_point
    micro = (np.array(outputs)[:, 0] - zero) * scale
    lite = reference(path, samples)
    assert np.abs(micro - lite).max() == pytest.approx(found.max_difference, abs=1e-6)
    assert np.abs(micro - tfprune.benchmark.predict(path, samples)[0]).max() < 0.1 * np.abs(lite).max(), "XNNPACK's"


def test_the_peak_is_what_the_arena_holds(int8_files):
    found = measure(int8_files["conv"])
    peak = found.peak
    assert peak is not None
    assert peak.operation == "MAX_POOL_2D"
    assert [one.bytes for one in peak.tensors] == [16 * 16 * 16, 8 * 8 * 16]
    assert 0 <= found.activation_bytes - peak.bytes < 1000
    assert found.source == "random"
    assert "16 × 16 × 16" in str(peak)
    assert "of RAM" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["arena_bytes"] == found.arena_bytes


def test_same_seed_same_random_samples(int8_files):
    first, again = (measure(int8_files["dense"], seed=1) for _ in range(2))
    assert first == again


def wide_net() -> keras.Model:
    x = image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.Conv2D(32, 3)(x)
    return keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"quantize": "float16"}, "float16"),
        ({"quantize": "dynamic"}, "quantised dynamically: CONV_2D"),
        ({"sparse": True}, "1 weights sparsely"),
    ],
)
def test_refused_with_the_reason_and_the_mend(options, reason, tmp_path):
    model = wide_net()
    if options.get("sparse"):
        tfprune.prune(model, 0.9)
    tfprune.to_tflite(model, tmp_path / "m.tflite", **options)
    with pytest.raises(InputError, match=rf"{reason}.*quantize='int8', io_dtype='int8', without sparse"):
        measure(tmp_path / "m.tflite")


def test_operations_that_it_has_not_are_named(tmp_path):
    vector = keras.Input((8,))
    model = keras.Model(vector, keras.ops.top_k(vector, 2)[0])
    tfprune.to_tflite(model, tmp_path / "m.tflite")
    with pytest.raises(InputError, match="needs TOPK_V2, which TensorFlow Lite Micro has not"):
        measure(tmp_path / "m.tflite")


def test_open_shapes_are_refused(tmp_path):
    tfprune.to_tflite(wide_net(), tmp_path / "m.tflite", batch_size=None)
    with pytest.raises(InputError, match=r"open axis.*batch_size=1"):
        measure(tmp_path / "m.tflite")


def test_bad_samples(int8_files, images):
    with pytest.raises(InputError, match=r"has the shape \(8, 16, 3\); the file takes \(16, 16, 3\)"):
        measure(int8_files["conv"], inputs=images[:, :8])
    with pytest.raises(InputError, match=r"no input 'imag'\. Did you mean 'image'"):
        measure(int8_files["conv"], inputs={"imag": images})
    with pytest.raises(InputError, match="NaN"):
        measure(int8_files["conv"], inputs=np.full_like(images[:1], np.nan))


def test_bad_files(tmp_path, int8_files):
    with pytest.raises(InputError, match="no file"):
        measure(tmp_path / "none.tflite")
    (tmp_path / "text.tflite").write_text("no model at all")
    with pytest.raises(InputError, match=r"not a \.tflite file"):
        measure(tmp_path / "text.tflite")
    content = int8_files["conv"].read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: len(content) // 3])
    with pytest.raises(BenchmarkError):
        measure(tmp_path / "cut.tflite")


@pytest.mark.slow
def test_damaged_files(tmp_path, int8_files):
    content = int8_files["conv"].read_bytes()
    generator = np.random.default_rng(0)
    for number in range(3):
        damaged = np.frombuffer(content, "uint8").copy()
        damaged[generator.integers(8, 600, 200)] = generator.integers(0, 256, 200)
        (tmp_path / f"{number}.tflite").write_bytes(damaged.tobytes())
        try:
            measure(tmp_path / f"{number}.tflite")
        except (BenchmarkError, InputError) as error:
            assert "\n" not in str(error)  # noqa: PT017 - what is damaged may still run


def test_a_time_limit(int8_files):
    with pytest.raises(BenchmarkError, match=r"0\.01 s, the time limit"):
        measure(int8_files["conv"], timeout=0.01)
    with pytest.raises(InputError, match="timeout"):
        measure(int8_files["conv"], timeout=0)


def test_a_crash_is_an_error_that_names_the_signal(int8_files, monkeypatch, tmp_path):
    package = tmp_path / "tflite_micro"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "runtime.py").write_text("import os\nos.abort()\n")
    monkeypatch.setattr(sys, "path", [sys.path[0], str(tmp_path), *sys.path[1:]])
    with pytest.raises(BenchmarkError, match="its process was killed by SIGABRT"):
        measure(int8_files["conv"])


def test_the_package_is_missing(int8_files, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tflite_micro" else find(name))
    with pytest.raises(InputError, match=r"pip install 'tfprune\[micro\]'"):
        measure(int8_files["conv"])


def test_needs_neither_keras_nor_tensorflow(int8_files):
    program = (
        "import sys; from pathlib import Path; from tfprune.micro import measure; measure(sys.argv[1]);"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    root = str(Path(tfprune.__file__).parents[1])
    subprocess.run([sys.executable, "-c", program, str(int8_files["dense"])], check=True, cwd=root, timeout=120)
