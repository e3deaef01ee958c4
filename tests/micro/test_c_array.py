"""A model as C++: the bytes come back, and a compiler takes it."""

import hashlib
import importlib.util
import re
import shutil
import subprocess

import pytest

import tfprune
from tfprune import InputError
from tfprune.export import to_c_array
from tfprune.micro.c_text import literal, plain
from tfprune.micro.operations import METHODS, missing_operations, resolver_lines

COMPILER = shutil.which("g++") or shutil.which("c++")

PROGRAM = """
#include <cstdio>
#include "{header}"

struct Resolver {{
  int calls = 0;
{methods}
}};

int main() {{
  static_assert({name}_arena_bytes == {arena}, "arena");
  static_assert({name}_input_0_values == 768, "input");
  static_assert({name}_input_0_zero_point == {zero}, "zero point");
  Resolver resolver;
  {name}_add_operations(resolver);
  if (resolver.calls != int({name}_operations)) return 1;
  if (reinterpret_cast<size_t>({name}) % 16) return 2;
  return fwrite({name}, 1, {name}_len, stdout) == {name}_len ? 0 : 3;
}}
"""


def parsed(path):
    """The bytes between the braces of the first array."""
    body = re.search(r"\[\] = \{(.*?)\};", path.read_text(), re.DOTALL)
    return bytes(int(number, 16) for number in re.findall(r"0x([0-9a-f]{2})", body[1]))


def test_the_bytes_come_back(int8_files, tmp_path):
    made = to_c_array(int8_files["conv"], tmp_path / "net.h", name="my net", arena_bytes=20_000)
    content = int8_files["conv"].read_bytes()
    assert hashlib.sha256(parsed(made.source)).hexdigest() == hashlib.sha256(content).hexdigest() == made.sha256
    header = made.header.read_text()
    assert made.sha256 in header
    assert "constexpr size_t my_net_arena_bytes = 20000;" in header
    assert "resolver.AddConv2D();\n  resolver.AddFullyConnected();\n  resolver.AddMaxPool2D();" in header
    assert f"my_net_operations = {len(made.operations)};" in header
    assert header.isascii()
    stored = tfprune.export.inspection.inspect_file(int8_files["conv"]).stored
    assert f"my_net_input_0_scale = {literal(stored.inputs[0].scale)};" in header
    assert {name for name in stored.operations if METHODS[name][3:] not in header} == set()


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("name", ["conv", "depthwise", "dense"])
def test_it_compiles_and_the_program_prints_the_model(name, int8_files, tmp_path):
    pytest.importorskip("tflite_micro")
    made = to_c_array(int8_files[name], tmp_path / "net.cc", name=f"g_{name}")
    needed = tfprune.micro.measure(int8_files[name])
    assert made.arena_bytes == needed.arena_bytes
    methods = "\n".join(f"  int {method}() {{ return calls++; }}" for method in sorted(METHODS.values()))
    program = PROGRAM.format(
        header=made.header.name, name=made.name, methods=methods, arena=needed.arena_bytes,
        zero=needed.inputs[0].zero_point,
    )  # fmt: skip
    (tmp_path / "main.cc").write_text(program)
    files = [str(tmp_path / "main.cc"), str(made.source)]
    strict = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([COMPILER, *strict, *files, "-o", str(tmp_path / "run")], check=True, timeout=120)
    told = subprocess.run([str(tmp_path / "run")], check=True, capture_output=True, timeout=20).stdout
    assert told == int8_files[name].read_bytes()


def test_of_an_export(int8_files, tmp_path, images):
    import keras

    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    result = tfprune.to_tflite(
        model, tmp_path / "m.tflite", quantize="int8", io_dtype="int8", representative_data=images
    )
    made = to_c_array(result, tmp_path / "m.h", arena_bytes=4000)
    assert parsed(made.source) == (tmp_path / "m.tflite").read_bytes()
    assert made.source == tmp_path / "m.cc"


def test_an_arena_that_was_not_measured_is_not_made_up(int8_files, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tflite_micro" else find(name))
    made = to_c_array(int8_files["dense"], tmp_path / "m.h")
    assert made.arena_bytes is None
    header = made.header.read_text()
    assert "was not measured" in header
    assert "_arena_bytes" not in header.replace("model_arena_bytes = ", "")
    assert "not measured (pip install" in str(made)


@pytest.mark.parametrize(
    ("given", "name"),
    [("model", "model"), ("my-net 2", "my_net_2"), ("3d", "model_3d"), ("int", "int_model"), ("__A__", "A"),
     ("größe", "gr_e"), ('x"; */ #include', "x_include")],
)  # fmt: skip
def test_names_are_made_identifiers(given, name, int8_files, tmp_path):
    assert to_c_array(int8_files["dense"], tmp_path / "m.h", name=given, arena_bytes=1).name == name


@pytest.mark.parametrize("text", ["a\nint b;", "a \\", "what??/", "a\u2028b", "×"])
def test_what_a_file_calls_its_tensors_stays_in_a_comment(text):
    clean = plain(text)
    assert clean.isascii()
    assert not set(clean) & set("\n\\?\u2028")


def test_refusals_leave_nothing(int8_files, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.h or \.cc"):
        to_c_array(int8_files["dense"], tmp_path / "m.txt")
    with pytest.raises(InputError, match="give one with letters"):
        to_c_array(int8_files["dense"], tmp_path / "m.h", name="--")
    for wrong in (0, -5, 1.5, True, "1kB"):
        with pytest.raises(InputError, match="arena_bytes"):
            to_c_array(int8_files["dense"], tmp_path / "m.h", arena_bytes=wrong)
    with pytest.raises(InputError, match="no folder"):
        to_c_array(int8_files["dense"], tmp_path / "none" / "m.h")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "m.cc").write_text("mine")
    with pytest.raises(InputError, match=r"m\.cc exists"):
        to_c_array(int8_files["dense"], tmp_path / "m.h", arena_bytes=1)
    assert (tmp_path / "m.cc").read_text() == "mine"
    assert not (tmp_path / "m.h").exists()
    to_c_array(int8_files["dense"], tmp_path / "m.h", arena_bytes=1, overwrite=True)
    assert "mine" not in (tmp_path / "m.cc").read_text()


def test_operations():
    from tfprune.benchmark.flatbuffer import operator_names

    assert set(METHODS) <= set(operator_names().values()), "each is an operator of the schema"
    assert missing_operations(["CONV_2D", "TOPK_V2"]) == ["TOPK_V2"]
    with pytest.raises(InputError, match="no operation TOPK_V2"):
        resolver_lines(["TOPK_V2"])
