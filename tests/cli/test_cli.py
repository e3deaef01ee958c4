"""The command line as users meet it: in a process of its own."""

import json

import keras
import numpy as np
import pytest
from support import model_and_data, small_model, sparsity_of
from warm import tfprune_command as command

import tfprune


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model, data for it, and files that are none."""
    where = tmp_path_factory.mktemp("cli")
    x, _ = model_and_data(where)
    np.save(where / "x.npy", x)
    np.savez(where / "wrong_shape.npz", x=x[:, :5], y=np.zeros(64))
    np.savez(where / "uneven.npz", x=x, y=np.zeros(3))
    np.save(where / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (where / "not.tflite").write_bytes(b"PK not a flatbuffer at all")
    (where / "not.keras").write_bytes(b"not a zip")
    (where / "not.npz").write_bytes(b"not a zip")
    uncompiled = small_model()
    keras.Model(uncompiled.inputs, uncompiled.outputs).save(where / "uncompiled.keras")
    return where


def succeed(folder, *arguments, cold=False):
    done = command(folder, *arguments, cold=cold)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_from_a_model_to_a_benchmark(folder, tmp_path):
    pruned = json.loads(
        succeed(folder, "prune", "model.keras", "--out", tmp_path / "p.keras", "--sparsity", 0.75, "--json", cold=True)
    )
    assert pruned["sparsity"] == 0.75
    assert [row["path"] for row in pruned["pruned"]] == ["pointwise/kernel", "hidden/kernel"]
    assert {"path": "stem/kernel", "reason": "first layer"} in pruned["skipped"]
    loaded = keras.models.load_model(tmp_path / "p.keras")
    assert sparsity_of(loaded.get_layer("hidden")) == 0.75
    assert loaded.optimizer is not None, "still compiled"

    dense = ["export", "model.keras", "--out", tmp_path / "dense.tflite", "--data", "x.npy"]
    assert "dense.tflite" in succeed(folder, *dense)
    int8 = [
        "export",
        tmp_path / "p.keras",
        "--out",
        tmp_path / "int8.tflite",
        "--quantize",
        "int8",
        "--data",
        "train.npz",
    ]
    exported = json.loads(succeed(folder, *int8, "--card", "--json"))
    assert exported["bytes"] == (tmp_path / "int8.tflite").stat().st_size
    assert (tmp_path / "int8.tflite.md").exists()

    quick = ["--runs", 5, "--min-seconds", 0.05]
    files = [tmp_path / "dense.tflite", tmp_path / "int8.tflite"]
    report = json.loads(succeed(folder, "benchmark", *files, *quick, "--json"))
    assert len(report["models"]) == 2
    assert report["models"][1]["speedup"]["median"] > 0
    printed = succeed(folder, "benchmark", *files, *quick)
    assert "Inference timings in us: Init:" in printed
    assert "CPU min" in printed
    side_by_side = ["--threads", "1,2", "--both-delegates", "--interpreter", "ai-edge-litert", "--json"]
    several = json.loads(succeed(folder, "benchmark", files[1], *quick, *side_by_side))
    assert [(each["threads"], each["delegate"]) for each in several["models"]] == [
        (1, True),
        (1, False),
        (2, True),
        (2, False),
    ]
    parts = json.loads(succeed(folder, "benchmark", files[0], *quick, "--layers", "--points", 4, "--json"))
    assert "stem" in parts["layers"][0]["layers"]


def test_prune_while_training(folder, tmp_path):
    out = tmp_path / "trained.keras"
    arguments = ["prune", "model.keras", "--out", out, "--data", "train.npz", "--epochs", 3, "--granularity", "1x4"]
    printed = succeed(folder, *arguments, "--sparsity", 0.5)
    assert "sparsity: 0." in printed
    loaded, before = keras.models.load_model(out), keras.models.load_model(folder / "model.keras", compile=False)
    assert sparsity_of(loaded.get_layer("hidden")) == 0.5
    assert not np.array_equal(loaded.get_layer("stem").kernel.numpy(), before.get_layer("stem").kernel.numpy())


def test_layers_are_factorised(folder, tmp_path):
    out = tmp_path / "small.keras"
    told = succeed(folder, "factorize", "model.keras", "--out", out, "--budget", "macs=0.6", "--data", "train.npz")
    for part in ("layers factorised", "predicted error", "refit of", "held-out samples", "wrote"):
        assert part in told
    small, whole = (keras.models.load_model(path, compile=False) for path in (out, folder / "model.keras"))
    assert small.count_params() < whole.count_params()
    found = json.loads(
        succeed(
            folder, "factorize", "model.keras", "--out", tmp_path / "o.keras", "--rank", 0.25, "--dry-run", "--json"
        )
    )
    assert found["after"]["macs"] < found["before"]["macs"]
    assert any(layer["form"] for layer in found["layers"])
    assert not (tmp_path / "o.keras").exists()


def test_dry_run_writes_nothing(folder, tmp_path):
    printed = succeed(folder, "prune", "model.keras", "--out", tmp_path / "no.keras", "--dry-run", "--skip", "hidden")
    assert "prunes pointwise/kernel" in printed
    assert "hidden/kernel: skipped by name" in printed
    assert list(tmp_path.iterdir()) == []


def test_summary(folder):
    printed = succeed(folder, "summary", "model.keras")
    for expected in ("hidden", "192 × 20", "3,840", "first layer", "total"):
        assert expected in printed
    data = json.loads(succeed(folder, "summary", "model.keras", "--json"))
    macs = {row["path"].split("/")[0]: row["macs"] for row in data["kernels"]}
    expected = {"stem": 9 * 2 * 6 * 36, "depthwise": 9 * 6 * 16, "pointwise": 72 * 16, "hidden": 3840, "head": 60}
    assert macs == expected
    assert data["macs"] == sum(expected.values())


def test_filters_are_removed_within_a_budget(folder, tmp_path):
    out = tmp_path / "small.keras"
    options = ["--out", out, "--granularity", "filter", "--budget", "macs=0.5", "--round-to", 2]
    made = json.loads(succeed(folder, "prune", "model.keras", *options, "--json"))
    assert made["after"]["macs"] <= 0.5 * made["before"]["macs"]
    assert {"path": "head", "reason": "head is a softmax over all of them"} in made["skipped"]
    small = keras.models.load_model(out)
    assert small.count_params() == made["after"]["parameters"]
    assert small.get_layer("hidden").units % 2 == 0
    printed = succeed(folder, "prune", "model.keras", *options, "--overwrite", "--dry-run")
    assert "hidden" in printed
    assert "MACs" in printed


@pytest.mark.parametrize(
    ("options", "door", "expected"),
    [
        (["--budget", "latency=0.5"], "run_calibrated", {"round_to": None, "samples": 1024}),
        (["--budget", "latency=0.5", "--round-to", "1"], "run_calibrated", {"round_to": 1}),
        (["--granularity", "2:4", "--samples", "7"], "run_zeros", {"samples": 7}),
    ],
)
def test_prune_hands_on_what_was_given_and_nothing_that_was_not(options, door, expected, folder, tmp_path, monkeypatch):
    """A multiple that nobody gave is left to the budget: with latencies it is what is fast here."""
    from importlib import import_module

    from typer.testing import CliRunner

    from tfprune.cli.app import app

    module = import_module("tfprune.cli.prune")
    seen = {}
    monkeypatch.setattr(module, door, lambda *given, **choices: seen.update(choices))
    words = ["prune", folder / "model.keras", "--out", tmp_path / "o.keras", "--calibrate", folder / "x.npy", *options]
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    assert {name: seen[name] for name in expected} == expected


def test_filters_are_removed_and_the_rest_refitted_without_labels(folder, tmp_path):
    out = tmp_path / "small.keras"
    options = ["--out", out, "--budget", "macs=0.5", "--calibrate", "x.npy"]
    made = json.loads(succeed(folder, "prune", "model.keras", *options, "--json"))
    assert made["after"]["macs"] <= 0.5 * made["before"]["macs"]
    assert made["refit"]["after"]["error"] < made["refit"]["before"]["error"]
    assert {layer["name"] for layer in made["refit"]["layers"]} >= {"pointwise", "hidden", "head"}
    small = keras.models.load_model(out)
    assert small.count_params() == made["after"]["parameters"]
    labelled = ["--out", out, "--budget", "macs=0.5", "--calibrate", "train.npz"]
    assert command(folder, "prune", "model.keras", *labelled).returncode != 0, "nothing is overwritten unasked"
    printed = succeed(folder, "prune", "model.keras", *labelled, "--overwrite")
    for expected in ("predicted", "refitted", "MACs", "samples it has not seen", "accuracy on 8 held-out", "wrote"):
        assert expected in printed
    other = tmp_path / "none.keras"
    planned = succeed(folder, "prune", "model.keras", "--out", other, "--calibrate", "x.npy", "--dry-run")
    assert "predicted error" in planned
    assert not other.exists()
    both = command(folder, "prune", "model.keras", "--out", other, "--calibrate", "x.npy", "--data", "train.npz")
    assert "without training" in both.stderr
    zeros = ["--out", other, "--granularity", "2:4", "--calibrate", "x.npy"]
    pruned = json.loads(succeed(folder, "prune", "model.keras", *zeros, "--json"))
    assert 0.49 < pruned["sparsity"] <= 0.5, "not all kernels are a multiple of four wide"
    assert pruned["refit"]["after"]["error"] < pruned["refit"]["before"]["error"]
    assert sparsity_of(keras.models.load_model(other).get_layer("hidden")) == 0.5
    other.unlink()
    assert "are for filters" in command(folder, "prune", "model.keras", *zeros, "--budget", "macs=0.5").stderr
    wrong = command(folder, "prune", "model.keras", "--out", other, "--calibrate", "wrong_shape.npz")
    assert wrong.returncode != 0
    assert "shape" in wrong.stderr


def test_filters_are_removed_while_training(folder, tmp_path):
    out = tmp_path / "small.keras"
    options = ["--out", out, "--granularity", "filter", "--sparsity", 0.5, "--data", "train.npz", "--epochs", 2]
    assert "wrote" in succeed(folder, "prune", "model.keras", *options)
    assert keras.models.load_model(out).get_layer("hidden").units == 10


def test_a_network_is_linted_and_mended(folder, tmp_path):
    from keras import layers

    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, name="stem")(layers.ZeroPadding2D(1)(x))
    x = layers.Conv2D(64, 1, name="mix")(x)
    x = layers.Conv2D(2, 1, name="head")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    model = keras.Model(inputs, layers.Flatten()(x), name="net")
    kernel, bias = model.get_layer("mix").get_weights()
    model.get_layer("mix").set_weights([np.where(np.arange(64) % 16, 0, kernel), bias])
    model.save(tmp_path / "net.keras")
    done = command(tmp_path, "lint", "net.keras")
    assert (done.returncode, "behind the global pooling: head" in done.stdout) == (1, True)
    assert "a sparse file gives wrong numbers there" in done.stdout
    told = succeed(tmp_path, "lint", "net.keras", "--fix", "--out", "ready.keras")
    assert "net on android-cpu: zeros of 1 layer are skipped" in told
    assert "changed  head: a Dense layer instead of a 1 × 1 convolution" in told
    succeed(tmp_path, "export", "ready.keras", "--out", "ready.tflite", "--sparse")
    report = json.loads(succeed(tmp_path, "lint", "ready.tflite", "--json"))
    assert (report["engages"], report["layers"], report["findings"]) == (True, ["mix"], [])
    refused = command(tmp_path, "export", "net.keras", "--out", "net.tflite", "--sparse")
    assert (refused.returncode, "tfprune.lint" in refused.stderr) == (1, True)
    assert not (tmp_path / "net.tflite").exists()


@pytest.mark.slow
def test_what_pays_on_a_device_is_pruned(tmp_path):
    tfprune.models.mobilenet_v1((32, 32, 3), 4, alpha=0.25).save(tmp_path / "m.keras")
    told = succeed(tmp_path, "prune", "m.keras", "--out", "p.keras", "--target", "android-cpu")
    assert "android-cpu: single weights: zeros of its 13 1 × 1 convolutions" in told
    succeed(tmp_path, "export", "p.keras", "--out", "p.tflite", "--sparse", "--target", "android-cpu")
    assert json.loads(succeed(tmp_path, "lint", "p.tflite", "--json"))["engages"]
    refused = command(tmp_path, "prune", "m.keras", "--out", "q.keras", "--target", "arm-cpu", "--sparsity", "0.5")
    assert (refused.returncode, "brings no speed on arm-cpu" in refused.stderr) == (2, True)


def test_the_summary_has_channel_groups(folder):
    found = json.loads(succeed(folder, "summary", "model.keras", "--json"))
    groups = {group["name"]: group for group in found["groups"]}
    assert groups["stem"]["channels"] == 6
    assert groups["head"]["kept"] == "head is a softmax over all of them"
    assert "channels that can be removed" in succeed(folder, "summary", "model.keras")


@pytest.mark.parametrize("name", ["demo", "prune", "export", "lint", "benchmark", "summary"])
def test_help_has_an_example(folder, name):
    assert "Example:" in succeed(folder, name, "--help", cold=True)


def test_version(folder):
    assert succeed(folder, "--version", cold=True).strip() == f"tfprune {tfprune.__version__}"


@pytest.mark.slow
def test_demo(tmp_path):
    done = command(tmp_path, "demo", "--epochs", 2, "--out", "out", "--json", cold=True)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    files = ["dense", "halved", "halved_int8", "pruned", "pruned_sparse", "pruned_int8"]
    assert [row["file"] for row in result["rows"]] == files
    rows = {row["file"]: row for row in result["rows"]}
    assert rows["pruned"]["sparsity"] == pytest.approx(0.8 * 96768 / 98192, abs=0.005)
    assert rows["pruned_sparse"]["bytes"] < 0.4 * rows["dense"]["bytes"]
    assert rows["pruned"]["gzip_bytes"] < 0.4 * rows["dense"]["gzip_bytes"]
    assert all(row["accuracy"] > 0.7 and row["median_ms"] > 0 for row in rows.values())
    assert rows["pruned_sparse"]["accuracy"] == pytest.approx(rows["pruned"]["accuracy"], abs=0.005)
    assert rows["halved"]["speedup"] > 1.5
    assert rows["halved"]["bytes"] < 0.8 * rows["dense"]["bytes"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert rows["dense"]["sha256"] in card
    assert "Budget(latency=0.5)" in (tmp_path / "out" / "halved.tflite.md").read_text()
    assert "by the interpreter" in (tmp_path / "out" / "pruned.tflite.md").read_text()
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    again = command(tmp_path, "demo", "--epochs", 1, "--out", "out")
    assert again.returncode == 2
    assert "dense.tflite" in again.stderr
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


BAD = [
    (["prune", "missing.keras", "--out", "o.keras"], "There is no file missing.keras"),
    (["prune", "not.keras", "--out", "o.keras"], "not.keras can't be loaded"),
    (["prune", "train.npz", "--out", "o.keras"], "does not end in .keras"),
    (["prune", "model.keras", "--out", "o.h5"], "o.h5 does not end in .keras"),
    (["prune", "model.keras", "--out", "model.keras"], "model.keras exists"),
    (["prune", "model.keras", "--out", "nowhere/o.keras"], "There is no folder nowhere"),
    (["prune", "model.keras", "--out", "o.keras", "--sparsity", "1.5"], "sparsity is 1.5"),
    (["prune", "model.keras", "--out", "o.keras", "--criterion", "magnitud"], "Did you mean 'magnitude'"),
    (["prune", "model.keras", "--out", "o.keras", "--granularity", "blok"], "Did you mean 'block'"),
    (["prune", "model.keras", "--out", "o.keras", "--layer", "hiden"], "Did you mean 'hidden'"),
    (["prune", "model.keras", "--out", "o.keras", "--data", "missing.npz"], "There is no file missing.npz"),
    (["prune", "model.keras", "--out", "o.keras", "--data", "not.npz"], "can't be read as arrays"),
    (["prune", "model.keras", "--out", "o.keras", "--data", "x.npy"], "has no array y or y_train"),
    (["prune", "model.keras", "--out", "o.keras", "--data", "objects.npy"], "can't be read as arrays"),
    (["prune", "model.keras", "--out", "o.keras", "--data", "uneven.npz"], "64 samples and y 3"),
    (["prune", "model.keras", "--out", "o.keras", "--data", "wrong_shape.npz"], "but the model takes (8, 8, 2)"),
    (["prune", "uncompiled.keras", "--out", "o.keras", "--data", "train.npz"], "is not compiled"),
    (["prune", "model.keras", "--out", "o.keras", "--data", "train.npz", "--epochs", "0"], "epochs is 0"),
    (["export", "model.keras", "--out", "o.tflite", "--quantize", "int3"], "Unknown quantization 'int3'"),
    (["export", "model.keras", "--out", "o.tflite", "--quantize", "int8"], "representative"),
    (["export", "model.keras", "--out", "not.tflite"], "not.tflite exists"),
    (["benchmark", "not.tflite"], "not.tflite"),
    (["benchmark", "missing.tflite"], "missing.tflite"),
    (["benchmark", "missing.tflite", "--device", "x"], "--device without --adb"),
    (["benchmark", "missing.tflite", "--threads", "1,two"], "--threads 'two' is not possible"),
    (["lint", "not.tflite"], "is not a .tflite file"),
    (["lint", "model.keras", "--target", "phone"], "Unknown target 'phone'"),
    (["lint", "model.keras", "--fix"], "say where to write it with --out"),
    (["lint", "model.keras", "--out", "o.keras"], "nothing to write to o.keras without --fix"),
    (["export", "model.keras", "--out", "o.tflite", "--target", "phone"], "Unknown target 'phone'"),
    (["summary", "not.keras"], "can't be loaded"),
    (["factorize", "model.keras", "--out", "o.keras"], "Give one of --budget"),
    (["factorize", "model.keras", "--out", "o.keras", "--rank", "much"], "'much' is no rank"),
    (["factorize", "model.keras", "--out", "o.keras", "--budget", "latency=2"], "latency is 2"),
    (["demo", "--dataset", "mnist"], "Unknown dataset 'mnist'"),
    (["demo", "--sparsity", "2"], "sparsity is 2"),
    (["demo", "--dataset", "fashion_mnist", "--data-dir", ".", "--out", "d"], "is not a readable idx.gz file"),
    (["prume"], "prume"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[f"{a[0]}-{i}" for i, (a, _) in enumerate(BAD)])
def test_bad_input_is_one_line_and_exit_code_2(folder, arguments, message):
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    done = command(folder, *arguments)
    assert done.returncode == 2, (done.stdout, done.stderr[-2000:])
    assert message in " ".join(done.stderr.split())
    if arguments[0] != "prume":  # typer draws its own box
        errors = [line for line in done.stderr.splitlines() if line.startswith("tfprune: error: ")]
        assert len(errors) == 1
        assert "Traceback" not in done.stderr
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before


def test_criteria_that_look_at_data(folder, tmp_path):
    arguments = ["--criterion", "taylor", "--sparsity", "0.5", "--granularity", "weight", "--calibrate", "train.npz"]
    out = tmp_path / "taylor.keras"
    done = json.loads(succeed(folder, "prune", "model.keras", "--out", out, *arguments, "--json"))
    assert done["sparsity"] == 0.5
    assert sparsity_of(keras.models.load_model(out).get_layer("hidden")) >= 0.49
    refused = command(folder, "prune", "model.keras", "--out", tmp_path / "none.keras", "--criterion", "taylor")
    assert refused.returncode == 2
    assert "needs data with labels" in refused.stderr
    assert not (tmp_path / "none.keras").exists()
