"""The comparison: the numbers are right, and a file that differs is not accepted."""

import numpy as np
import pytest

from tfprune import benchmark
from tfprune.errors import BenchmarkError, ExportError
from tfprune.export import to_tflite
from tfprune.export.parity import agreement


def test_a_file_that_differs_is_not_written(mlp, tmp_path, monkeypatch):
    monkeypatch.setattr("tfprune.export.parity.tflite_outputs", lambda *arguments: [np.ones((8, 4))])
    with pytest.raises(ExportError, match=r"disagrees with Keras.*random data.*Nothing was written"):
        to_tflite(mlp, tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())
    result = to_tflite(mlp, tmp_path / "m.tflite", tolerance=1e6)
    assert result.parity.tolerance == 1e6


def test_wrong_weights_in_the_file_are_noticed(mlp, tmp_path, monkeypatch):
    from tfprune.export import tflite

    def other_weights(*arguments):
        content = bytearray(original(*arguments))
        kernel = mlp.layers[0].kernel.numpy().T.tobytes()
        place = bytes(content).index(kernel)
        content[place : place + len(kernel)] = bytes(len(kernel))
        return bytes(content)

    original = tflite.convert
    monkeypatch.setattr(tflite, "convert", other_weights)
    with pytest.raises(ExportError, match="disagrees with Keras"):
        to_tflite(mlp, tmp_path / "m.tflite")


def test_a_file_that_can_not_be_run_is_not_written(mlp, tmp_path, monkeypatch):
    def crash(*arguments, **options):
        raise BenchmarkError("it died")

    monkeypatch.setattr(benchmark, "predict", crash)
    with pytest.raises(ExportError, match="runtime can't run the converted model: it died"):
        to_tflite(mlp, tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())


def test_without_verification_nothing_is_run(mlp, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "predict", None)
    assert to_tflite(mlp, tmp_path / "m.tflite", verify=False).parity is None


def test_random_data_are_seeded(mlp, tmp_path):
    results = [to_tflite(mlp, tmp_path / f"{i}.tflite", seed=seed).parity for i, seed in enumerate([1, 1, 2])]
    assert results[0] == results[1]
    assert results[0].source == "random"
    assert results[0].samples >= 8


def test_a_model_that_gives_only_nan_is_not_compared(mlp, tmp_path):
    mlp.layers[-1].bias.assign(np.full(4, np.nan))
    with pytest.raises(ExportError, match="not finite on the random data"):
        to_tflite(mlp, tmp_path / "m.tflite")


def test_differences_are_relative_to_the_scale_of_each_output():
    left = [np.array([[100.0, 0.0]]), np.array([[0.01, 0.0]])]
    right = [np.array([[101.0, 0.0]]), np.array([[0.012, 0.0]])]
    found = agreement(left, right, "random")
    assert found.max_abs == pytest.approx(1.0)
    assert found.relative == pytest.approx(0.2)


def test_top1_agreement_is_that_of_the_worst_output():
    same, flipped = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    assert agreement([same, same], [same, flipped], "random").top1_agreement == 0.5
    assert agreement([same[:, :1]], [same[:, :1]], "random").top1_agreement is None


@pytest.mark.parametrize(
    ("left", "right", "difference"),
    [
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([-np.inf, 1.0], [-np.inf, 1.0], 0.0),
        ([np.inf, 1.0], [-np.inf, 1.0], np.inf),
        ([1.0, 1.0], [np.nan, 1.0], np.inf),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
    ],
)
def test_values_that_are_not_finite(left, right, difference):
    assert agreement([np.array([left])], [np.array([right])], "random").max_abs == difference


def test_other_shapes_are_an_error():
    with pytest.raises(ExportError, match="shape"):
        agreement([np.ones((2, 3))], [np.ones((2, 1))], "random")
