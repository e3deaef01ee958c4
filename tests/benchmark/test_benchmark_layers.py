"""The time of each layer: models cut after their operations."""

from __future__ import annotations

import itertools
import math
import stat
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.benchmark import LayerReport, inspect, layers, predict
from tfprune.benchmark.cutting import CutModel
from tfprune.benchmark.layer_names import layer_names
from tfprune.benchmark.operations import count_macs, group_ends
from tfprune.errors import BenchmarkError, InputError, UnknownArgumentError

BRIEF = {"runs": 3, "min_seconds": 0.0, "warmup": 0, "warmup_seconds": 0.0}
SPARSE = "tflite_models/pruned_sparse.tflite"


@pytest.fixture(autouse=True)
def no_benchmark_model(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_layers_of_a_model(models):
    report = layers(models["mixed"].path, **BRIEF)
    unnamed = version("tensorflow").startswith("2.18.")  # its files don't tell the layer of an output
    assert [(each.operations, each.layers) for each in report] == [
        (("CONV_2D",), ("first",)),
        (("CUMSUM",), ()),
        (("MEAN",), ("mean",)),
        (("FULLY_CONNECTED",), () if unnamed else ("last",)),
    ]
    assert [each.shape for each in report] == [(1, 6, 6, 8), (1, 6, 6, 8), (1, 8), (1, 5)]
    assert [each.macs for each in report] == [36 * 8 * 27, 0, 0, 40]
    assert (report.method, report.device, report.threads, report.rounds) == ("cuts", "cpu", 1, 3)
    assert report.clock == "cpu"
    assert "wall time, 2 threads" in str(layers(models["mixed"].path, threads=2, **BRIEF))
    assert LayerReport.from_json(report.to_json()) == report
    assert report.table().row_count == len(report) == 4


def test_times_add_up(models):
    report = layers(models["wide"].path, runs=30, min_seconds=0.05, warmup_seconds=0.05)
    assert [each.name for each in report] == ["FULLY_CONNECTED"] * 2
    assert sum(each.share for each in report) == pytest.approx(1)
    assert sum(each.ms for each in report) == pytest.approx(report.total_ms)
    assert all(0.2 < each.share < 0.8 for each in report), "two equal layers"
    assert all(each.p5_ms <= each.ms <= each.p95_ms or each.ms == 0 for each in report)
    text = str(report)
    assert "The total is exact, its parts are approximate" in text
    assert text.count("FULLY_CONNECTED") == 2


@pytest.mark.parametrize("name", ["float", "int8", "dynamic", "two", "tokens", "mixed"])
@pytest.mark.parametrize("settings", [{}, {"delegate": False, "threads": 2}])
def test_every_kind_of_model_can_be_cut(models, name, settings):
    report = layers(models[name].path, **BRIEF, **settings)
    assert sum(inspect(models[name].path).operations.values()) >= len(report) >= 2
    assert all(each.ms >= 0 and each.shape is not None for each in report)


def test_groups(models):
    report = layers(models["mixed"].path, points=2, **BRIEF)
    assert [each.operations for each in report] == [("CONV_2D",), ("CUMSUM", "MEAN", "FULLY_CONNECTED")]
    assert report[1].macs == 40
    (whole,) = layers(models["mixed"].path, points=1, **BRIEF)
    assert whole.share == 1
    assert whole.name == "CONV_2D and 3 more"


def test_a_beginning_makes_what_the_layer_makes(models, tmp_path):
    import keras

    made = models["mixed"]
    cut = CutModel(str(made.path))
    for count, layer in ((1, "first"), (3, "mean"), (4, "last")):
        path = tmp_path / f"{count}.tflite"
        path.write_bytes(cut.prefix(count))
        expected = keras.Model(made.keras.input, made.keras.get_layer(layer).output)
        (found,) = predict(path, made.x)
        np.testing.assert_allclose(found, [expected(row[None])[0] for row in made.x], atol=1e-5)
    assert (tmp_path / "1.tflite").stat().st_size < made.path.stat().st_size


def test_unpacking_goes_with_the_layer_that_reads_it(models, request):
    path = request.config.rootpath / SPARSE
    cut = CutModel(str(path))
    names = [each.name for each in cut.operations]
    assert "DENSIFY" not in names
    assert inspect(path).operations["DENSIFY"] == 3
    sizes = [len(cut.prefix(count + 1)) for count in range(len(names))]
    assert sizes == sorted(sizes), "more and more weights"
    assert sizes[0] < sizes[-1] / 5
    assert cut.operations[0].layers == ("relu_1", "norm_1", "conv_1")


def test_all_that_the_rest_reads_is_an_output(models, tmp_path):
    path = tmp_path / "cut.tflite"
    cut = CutModel(str(models["two"].path))
    path.write_bytes(cut.prefix(3))
    assert len(inspect(path).outputs) == 3, "the joined inputs, and two of the eleven heads"


def test_a_loop_that_does_not_end_is_stopped(models):
    with pytest.raises(BenchmarkError, match=r"stopped after 0\.3 s while loading a part of it"):
        layers(models["endless"].path, timeout=0.3, **BRIEF)


def test_damaged(models, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(models["float"].path.read_bytes()[:200])
    with pytest.raises(BenchmarkError, match=r"cut\.tflite can't be run"):
        layers(path, **BRIEF)
    with pytest.raises(InputError, match="no file"):
        layers(tmp_path / "absent.tflite")


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"points": 0}, "points=0"), ({"threads": 0}, "threads=0"), ({"interpreter": "x"}, "no interpreter 'x'")],
)
def test_impossible_settings(models, settings, words):
    with pytest.raises(InputError, match=words):
        layers(models["float"].path, **settings)
    with pytest.raises(UnknownArgumentError, match="points"):
        layers(models["float"].path, pionts=3)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(1, 70))
def test_groups_cover_all_operations_once(weights, points):
    ends = group_ends(weights, points)
    assert ends == sorted(set(ends))
    assert ends[-1] == len(weights)
    assert len(ends) == min(points, len(weights))
    assert sum(sum(weights[a:b]) for a, b in itertools.pairwise([0, *ends])) == sum(weights)


def test_heavy_operations_stand_alone():
    assert group_ends([1, 900, 1, 1, 1, 1, 900, 1], 6) == [1, 2, 4, 6, 7, 8]


@pytest.mark.parametrize(
    ("name", "inputs", "output", "expected"),
    [
        ("CONV_2D", [(1, 9, 9, 4), (6, 3, 3, 4)], (1, 7, 7, 6), 49 * 6 * 36),
        ("CONV_2D", [(1, 9, 9, 4), (6, 3, 3, 2)], (1, 7, 7, 6), 49 * 6 * 18),  # two groups
        ("DEPTHWISE_CONV_2D", [(1, 9, 9, 4), (1, 3, 3, 4)], (1, 7, 7, 4), 49 * 4 * 9),
        ("FULLY_CONNECTED", [(2, 5), (7, 5)], (2, 7), 70),
        ("TRANSPOSE_CONV", [(4,), (6, 3, 3, 4), (1, 5, 5, 4)], (1, 10, 10, 6), 25 * 4 * 54),
        ("CONV_3D", [(1, 4, 4, 4, 2), (2, 2, 2, 2, 5)], (1, 3, 3, 3, 5), 27 * 5 * 16),
        ("BATCH_MATMUL", [(3, 4, 5), (3, 5, 6)], (3, 4, 6), 3 * 4 * 5 * 6),
        ("ADD", [(3, 4), (3, 4)], (3, 4), 0),
        ("FULLY_CONNECTED", [], (), 1),
    ],
)
def test_multiply_accumulates(name, inputs, output, expected):
    assert count_macs(name, inputs, output) == expected


def test_macs_are_those_of_keras(models):
    found = CutModel(str(models["float"].path)).operations
    kernels = [layer.kernel.shape for layer in models["float"].keras.layers if layer.weights]
    assert [each.macs for each in found if each.macs] == [36 * math.prod(kernels[0]), math.prod(kernels[1])]


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        ([["net_1/conv_1_1/convolution"]], [("conv_1",)]),
        ([["net_1/conv_1/convolution"], ["net_1/act/Relu"]], [("conv_1",), ("act",)]),  # not traced again
        ([["net_1/block_1/conv_1/convolution;net_1/block_1/norm_1/batchnorm/add_1"]], [("block/conv", "block/norm")]),
        ([["net/norm/batchnorm/add"]], [("norm",)]),
        ([["StatefulPartitionedCall:0", "arith.constant", "net_1/head_1/MatMul"]], [("head",)]),
        ([["StatefulPartitionedCall:0"], []], [(), ()]),
    ],
)
def test_names_of_layers(tensors, expected):
    assert layer_names(tensors) == expected


@given(st.lists(st.lists(st.text("ab_1/;:", max_size=20), max_size=3), max_size=4))
def test_any_names_are_taken(tensors):
    found = layer_names(tensors)
    assert len(found) == len(tensors)
    assert all(isinstance(name, str) and name for each in found for name in each)


def test_a_named_program_that_is_none(models, tmp_path):
    with pytest.raises(InputError, match=r"no program .*absent"):
        layers(models["float"].path, benchmark_model=tmp_path / "absent")
    text = tmp_path / "text"
    text.write_text("no program")
    text.chmod(text.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(InputError, match="can't be run"):
        layers(models["float"].path, benchmark_model=text)
