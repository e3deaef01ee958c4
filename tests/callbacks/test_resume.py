"""A run that was interrupted and resumed equals the uninterrupted one, to the bit."""

import errno
import json
import resource
import signal

import keras
import numpy as np
import pytest
from keras import layers
from warm import python_code

from tfprune import BackupAndRestore, PruneCallback
from tfprune.callbacks import backup
from tfprune.granularity import Filter

EPOCHS = 6

SCRIPT = """
import os, signal, sys
import keras, numpy as np
from keras import layers
import tfprune

mode, backup_dir, out, kill_epoch, backup_kind = sys.argv[1:6]
keras.utils.set_random_seed(5)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(120, 12)).astype("float32"), rng.integers(0, 3, 120)
model = keras.Sequential([
    keras.Input((12,)), layers.Dense(16, activation="relu"), layers.Dropout(0.3),
    layers.Dense(24, activation="relu", name="hidden"), layers.BatchNormalization(),
    layers.Dense(3, activation="softmax"),
])
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
if backup_kind == "keras":
    model.layers[1].rate = 0.0  # Keras' own backup forgets what dropout draws next
    backup = keras.callbacks.BackupAndRestore(backup_dir)
else:
    backup = tfprune.BackupAndRestore(backup_dir)

class Die(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if mode == "die" and self.epoch == int(kill_epoch) and batch == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

prune = tfprune.PruneCallback(0.8, layers=["hidden"], frequency=3, verbose=0)
model.fit(x, y, batch_size=10, epochs=6, shuffle=False, verbose=0, callbacks=[backup, prune, Die()])
np.savez(out, *[w.numpy() for w in model.weights])
"""


def run(tmp_path, mode, name, kill_epoch=0, kind="tfprune", check=True):
    arguments = [mode, str(tmp_path / f"backup-{name}"), str(tmp_path / f"{name}.npz"), str(kill_epoch), kind]
    done = python_code(SCRIPT, *arguments, cwd=tmp_path)
    assert not check or done.returncode == 0, done.stderr[-2000:]
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kill_epoch"), [("tfprune", 1), ("tfprune", 4), ("keras", 3)])
def test_sigkill_and_resume_equals_the_uninterrupted_run(tmp_path, kind, kill_epoch):
    run(tmp_path, "live", "whole", kind=kind)
    assert run(tmp_path, "die", "killed", kill_epoch, kind, check=False) == -signal.SIGKILL
    assert not (tmp_path / "killed.npz").exists()
    run(tmp_path, "live", "killed", kind=kind)
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "killed.npz") as killed:
        assert all(np.array_equal(whole[name], killed[name]) for name in whole.files)
        hidden = next(whole[name] for name in whole.files if whole[name].shape == (16, 24))
        assert np.mean(hidden == 0) == pytest.approx(0.8, abs=0.002)


def network(rate=0.4):
    keras.utils.set_random_seed(5)
    x = inputs = keras.Input((12,))
    x = layers.Dense(16, activation="relu")(x)
    x = layers.Dropout(rate)(x)
    x = layers.Dense(24, activation="relu", name="hidden")(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


class Crash(keras.callbacks.Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.crash = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.crash and batch == 2:
            raise RuntimeError("power cut")


def train(model, data, *others, **options):
    prune = PruneCallback(0.75, layers=["hidden"], frequency=5, verbose=0, **options)
    return model.fit(*data, batch_size=10, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[prune, *others])


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(120, 12)).astype("float32"), rng.integers(0, 3, 120)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"schedule": "constant"},
        {"criterion": "random"},
        {"granularity": (1, 4)},
        {"granularity": "filter"},
        {"granularity": Filter(soft=False)},
    ],
)
def test_exception_and_resume_with_dropout(rows, tmp_path, options):
    whole = network()
    train(whole, rows, **options)
    crashed = network()
    with pytest.raises(RuntimeError, match="power cut"):
        train(crashed, rows, BackupAndRestore(tmp_path / "backup"), Crash(epoch=3), **options)
    resumed = network()
    history = train(resumed, rows, BackupAndRestore(tmp_path / "backup"), **options)
    assert history.epoch == [3, 4, 5]
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(whole.weights, resumed.weights, strict=True))
    assert not (tmp_path / "backup").exists()
    again = train(resumed, rows)
    assert again.epoch == list(range(EPOCHS)), "the next fit begins with its first epoch"


def test_a_backup_that_is_cut_off_while_it_is_written_leaves_the_one_before(rows, tmp_path, monkeypatch):
    folder = tmp_path / "backup"
    model = network()
    with pytest.raises(RuntimeError, match="power cut"):
        train(model, rows, BackupAndRestore(folder), Crash(epoch=2))
    before = (folder / "latest.weights.h5").read_bytes()
    original = BackupAndRestore._write

    def cut_off(self, where):
        original(self, where)
        raise OSError("power cut")

    monkeypatch.setattr(BackupAndRestore, "_write", cut_off)
    with pytest.raises(OSError, match="power cut"):
        train(network(), rows, BackupAndRestore(folder))
    assert (folder / "latest.weights.h5").read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["latest.weights.h5"]


@pytest.mark.parametrize("limit", [100, 10_000])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_full_disk_is_an_error_and_leaves_the_backup_before(rows, tmp_path, monkeypatch, in_memory, limit):
    """Not the end of the process, as if HDF5 itself met it."""
    if not in_memory:
        monkeypatch.setattr(backup, "IN_MEMORY", 0)
    folder = tmp_path / "backup"
    with pytest.raises(RuntimeError, match="power cut"):
        train(network(), rows, BackupAndRestore(folder), Crash(epoch=2))
    before = (folder / "latest.weights.h5").read_bytes()
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, allowed[1]))
    try:
        with pytest.raises(OSError, match=r"latest.weights.h5") as caught:
            train(network(), rows, BackupAndRestore(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert caught.value.errno == errno.EFBIG
    assert (folder / "latest.weights.h5").read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["latest.weights.h5"]
    whole, resumed = network(), network()
    train(whole, rows)
    train(resumed, rows, BackupAndRestore(folder))
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(whole.weights, resumed.weights, strict=True))


def test_a_backup_of_keras_own_is_taken_over(rows, tmp_path):
    whole = network(rate=0.0)
    train(whole, rows)
    with pytest.raises(RuntimeError, match="power cut"):
        train(network(rate=0.0), rows, keras.callbacks.BackupAndRestore(str(tmp_path / "b")), Crash(epoch=4))
    assert json.loads((tmp_path / "b" / "training_metadata.json").read_text())["epoch"] == 4
    resumed = network(rate=0.0)
    train(resumed, rows, BackupAndRestore(tmp_path / "b"))
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(whole.weights, resumed.weights, strict=True))


def test_round_trip():
    callback = BackupAndRestore("folder", save_freq=10, delete_checkpoint=False)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(callback))
    assert again.get_config() == callback.get_config()
