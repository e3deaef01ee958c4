"""Structures trained together, and keras-tuner's own tuners."""

import multiprocessing
import os
import socket

import keras
import numpy as np
import pytest
from search.problems import images, network

from tfprune.cost import Budget, CostModel
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.search import joint


def test_the_best_of_several_that_were_trained_together():
    model, data = network(), images(192)
    model.fit(*data, epochs=1, verbose=0)
    before = [weight.numpy().copy() for weight in model.weights]
    found = joint(model, data, data, Budget(macs=0.5), candidates=3, epochs=1, levels=4, verbose=0)
    whole = CostModel(trace(model)).whole
    assert CostModel(trace(found.model)).whole.macs == found.best.cost.macs <= whole.macs / 2
    assert found.after <= found.before == found.best.error
    assert [one.error for one in found.candidates if one.fits and one.error < found.best.error] == []
    assert all(one.error is None for one in found.candidates if not one.fits)
    assert any(not one.fits for one in found.candidates)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.weights, strict=True))
    assert "call" not in vars(model.layers[1])  # no gates are left


def test_joint_refuses_what_it_can_not_train():
    model, data = network(), images(32)
    with pytest.raises(InputError, match="give a Budget"):
        joint(model, data, data, 0.5)
    with pytest.raises(InputError, match="int from 1"):
        joint(model, data, data, Budget(macs=0.5), candidates=0)
    plain = keras.Model.from_config(model.get_config())
    with pytest.raises(InputError, match="compile"):
        joint(plain, data, data, Budget(macs=0.5), verbose=0)


@pytest.mark.parametrize("tuner", ["RandomSearch", "BayesianOptimization", "Hyperband", "GridSearch"])
def test_every_tuner_of_keras_tuner_takes_the_hyper_model(tuner, tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")
    from tfprune.search import PruningHyperModel

    model, (x, y) = network(), images(64)
    limit = {"max_epochs": 2} if tuner == "Hyperband" else {"max_trials": 2}
    made = getattr(keras_tuner, tuner)(
        PruningHyperModel(model, criteria=["magnitude"]), objective="val_accuracy", directory=tmp_path, seed=0, **limit
    )
    made.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
    best = made.get_best_models(1)[0]
    part = CostModel(trace(best)).whole.macs / CostModel(trace(model)).whole.macs
    assert part <= made.get_best_hyperparameters()[0].get("budget")


def test_methods_are_a_hyperparameter_and_the_budget_holds_for_each():
    keras_tuner = pytest.importorskip("keras_tuner")
    from tfprune.search import PruningHyperModel

    model, (x, _) = network(), images(64)
    hyper_model = PruningHyperModel(model, x)
    whole = CostModel(trace(model)).whole.macs
    for method in hyper_model.methods:
        hp = keras_tuner.HyperParameters()
        hp.Fixed("method", method)
        hp.Fixed("budget", 0.4)
        assert CostModel(trace(hyper_model.build(hp))).whole.macs <= 0.4 * whole
    with pytest.raises(InputError, match="'factors'"):
        PruningHyperModel(model, x, methods=["factor"])
    with pytest.raises(InputError, match="needs data"):
        PruningHyperModel(model, methods=["factors"])
    with pytest.raises(InputError, match="0 < low"):
        PruningHyperModel(model, low=0.5, high=0.4)


def test_a_learning_rate_is_chosen_where_a_schedule_was():
    keras_tuner = pytest.importorskip("keras_tuner")
    from tfprune.search import PruningHyperModel

    model = network()
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(keras.optimizers.SGD(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    hp = keras_tuner.HyperParameters()
    made = PruningHyperModel(model, criteria=["magnitude"]).build(hp)
    assert float(made.optimizer.learning_rate) == pytest.approx(hp.get("learning_rate"))
    made.fit(*images(32), verbose=0)


def tune(role, port, folder):
    """Run one process of a distributed search: the chief, or a worker."""
    os.environ.update(
        KERASTUNER_TUNER_ID=role, KERASTUNER_ORACLE_IP="127.0.0.1", KERASTUNER_ORACLE_PORT=str(port),
        TF_CPP_MIN_LOG_LEVEL="3",
    )  # fmt: skip
    import keras_tuner

    from tfprune.search import PruningHyperModel

    x, y = images(64)
    tuner = keras_tuner.RandomSearch(
        PruningHyperModel(network(), criteria=["magnitude"]), objective="val_accuracy", max_trials=4, directory=folder,
        project_name="shared", seed=0,
    )  # fmt: skip
    tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)  # the chief only hands out trials here


@pytest.mark.slow
def test_a_chief_and_two_workers_share_the_trials(tmp_path):
    pytest.importorskip("keras_tuner")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    roles = ["chief", "worker0", "worker1"]
    processes = [context.Process(target=tune, args=(role, port, str(tmp_path)), daemon=True) for role in roles]
    for process in processes:
        process.start()
    try:
        for process in processes[1:]:
            process.join(240)
            assert process.exitcode == 0
    finally:
        for process in processes:
            process.kill()
            process.join()
    trials = list((tmp_path / "shared").glob("trial_*"))
    assert len(trials) == 4
