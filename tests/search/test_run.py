"""A whole search: budgets are met by what is really made, it goes on where it was stopped, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from search.problems import images, network
from support import ROOT

import tfprune
from tfprune.cost import Budget, CostModel
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.search import run
from tfprune.search.folder import open_journal
from tfprune.search.journal import Trial

QUICK = {"levels": 3, "trials": 40, "climb": (3, 2), "verbose": 0, "choose_from": ("channels",)}


@pytest.fixture(scope="module")
def trained():
    model, data = network(), images(256)
    model.fit(*data, epochs=2, verbose=0)
    return model, data


def test_the_best_is_within_the_budget_and_loads_anywhere(trained, tmp_path):
    model, (x, _) = trained
    found = run(model, x, Budget(macs=0.5), folder=tmp_path / "out", **QUICK)
    cost = CostModel(trace(found.model)).whole
    assert cost.macs <= found.whole.metrics["macs"] / 2
    assert cost.macs == found.best.metrics["macs"]
    assert {trial.rung for trial in found.trials} == {"estimate", "refit"}
    assert sum(trial.rung == "refit" for trial in found.trials) <= 4  # three that climb, and the whole network
    again = keras.models.load_model(tmp_path / "out" / "best.keras")
    assert np.array_equal(again.predict(x[:8], verbose=0), found.model.predict(x[:8], verbose=0))
    told = json.loads((tmp_path / "out" / "front.json").read_text())
    assert told["best"]["metrics"] == found.best.metrics
    assert "macs" in str(found)


def test_it_goes_on_where_it_was_stopped(trained, tmp_path, monkeypatch):
    model, (x, _) = trained
    from tfprune.search.making import Maker

    made, make = [], Maker.make

    def counted(self, plan):
        made.append(plan)
        if len(made) == 3:
            raise KeyboardInterrupt
        return make(self, plan)

    options = {"folder": tmp_path / "out", **QUICK}
    monkeypatch.setattr(Maker, "make", counted)
    with pytest.raises(KeyboardInterrupt):
        run(model, x, Budget(macs=0.5), **options)
    with open(tmp_path / "out" / "trials.jsonl", "a") as file:
        file.write('{"rung": "refit", "point": [1')  # as if it had been killed while writing
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = run(model, x, Budget(macs=0.5), **options)
    assert any("1 damaged lines" in str(warning.message) for warning in caught)
    assert len(made) == 3 + 2  # two were known
    monkeypatch.setattr(Maker, "make", make)
    once = run(model, x, Budget(macs=0.5), **QUICK)
    assert once.best.point == found.best.point
    assert once.best.metrics == found.best.metrics
    for own, other in zip(once.model.get_weights(), found.model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    with pytest.raises(InputError, match="belongs to another search"):
        run(model, x, Budget(macs=0.4), **options)
    run(model, x, Budget(macs=0.4), overwrite=True, **options)


@pytest.mark.parametrize("left", ["", '{"mark"', '{"mark": "0123'])
def test_a_journal_that_was_cut_off_in_its_first_line_is_begun_anew(left, tmp_path):
    (tmp_path / "trials.jsonl").write_text(left)
    (tmp_path / ".trials-abcd_123.jsonl").write_text("{")
    (tmp_path / ".best-abcd_123.keras").write_text("cut o")
    journal = open_journal(tmp_path, "0123456789", 1, overwrite=False)
    journal.add(Trial("estimate", (1,), {"error": 0.5}))
    assert open_journal(tmp_path, "0123456789", 1, overwrite=False).trials == journal.trials
    assert [path.name for path in tmp_path.iterdir()] == ["trials.jsonl"]


def test_other_settings_or_labels_are_another_search(trained, tmp_path):
    model, (x, y) = trained
    given = {**QUICK, "rungs": ("estimate",), "climb": (), "val": (x[:64], y[:64]), "train": (x, y)}
    run(model, x, Budget(macs=0.5), folder=tmp_path / "out", **given)
    run(model, x, Budget(macs=0.5), folder=tmp_path / "out", **given)
    other = {
        "levels": 4, "round_to": 2, "min_channels": {"stem": 3}, "epochs": 2, "val": (x[:64], 3 - y[:64]),
        "train": (x, 3 - y),
    }  # fmt: skip
    for name, value in other.items():
        with pytest.raises(InputError, match="belongs to another search"):
            run(model, x, Budget(macs=0.5), folder=tmp_path / "out", **{**given, name: value})


def test_a_trained_network_whose_file_is_lost_is_trained_again(trained, tmp_path):
    model, (x, y) = trained
    options = {
        **QUICK, "rungs": ("estimate", "tune"), "climb": (1,), "train": (x, y), "val": (x[:64], y[:64]),
        "folder": tmp_path,
    }  # fmt: skip
    kept = run(model, x, Budget(macs=0.5), **options)
    for path in (tmp_path / "models").glob("*.keras"):
        path.write_bytes(b"damaged")
    lost = run(model, x, Budget(macs=0.5), **options)
    assert lost.best.metrics == kept.best.metrics
    for own, other in zip(lost.model.get_weights(), kept.model.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-6)


def test_a_plan_that_fails_does_not_stop_it(trained, monkeypatch):
    model, (x, _) = trained
    from tfprune.search.making import Maker

    make, calls = Maker.make, []

    def sometimes(self, plan):
        calls.append(plan)
        if len(calls) == 1:
            raise RuntimeError("no memory")
        return make(self, plan)

    monkeypatch.setattr(Maker, "make", sometimes)
    found = run(model, x, Budget(macs=0.5), **QUICK)
    assert [trial.failed for trial in found.trials if trial.failed] == ["RuntimeError: no memory"]
    monkeypatch.setattr(Maker, "make", lambda self, plan: 1 / 0)
    with pytest.raises(tfprune.TfpruneError, match=r"No plan could be made.*division"):
        run(model, x, Budget(macs=0.5), **QUICK)


def test_a_front_over_measured_latency_and_accuracy(trained):
    model, (x, y) = trained
    found = run(
        model, x, objectives=("error", "latency"), val=(x[:64], y[:64]), precisions=("float32", "int8"),
        **{**QUICK, "climb": (2,)},
    )  # fmt: skip
    assert all(0.0 <= trial.metrics["accuracy"] <= 1.0 for trial in found.front)
    assert all(trial.metrics["error"] == pytest.approx(1 - trial.metrics["accuracy"]) for trial in found.front)
    times = [trial.metrics["latency"] for trial in found.front]
    assert times == sorted(times, reverse=True)
    assert 0.0 < found.hypervolume() <= 1.0
    study = found.study()
    assert len(study.trials) == sum(trial.rung == "estimate" for trial in found.trials)
    assert len(study.best_trials) >= 1


def test_more_plans_climb_if_the_network_is_slower_than_estimated(trained, monkeypatch, capsys):
    from tfprune.search.making import Maker

    model, (x, _) = trained
    made = []

    def slower(self, network, precision):  # the first two are slower than any estimate, what climbs then is as it was
        made.append(network)
        return (0.9 if len(made) <= 2 else 0.6) * self.whole_latency

    monkeypatch.setattr(Maker, "latency", slower)
    options = {**QUICK, "climb": (2,), "verbose": 1}
    found = run(model, x, Budget(latency=0.8), **options)
    assert found.best.metrics["latency"] <= 0.8 * found.plans.whole.latency
    refitted = [trial for trial in found.trials if trial.rung == "refit"]
    assert len(refitted) > 3  # two that climbed first, the whole network, and more
    assert "no plan is within the budget on refit: latency was" in capsys.readouterr().out


def test_the_last_rung_trains(trained):
    model, (x, y) = trained
    found = run(
        model, (x, y), Budget(macs=0.5), rungs=("estimate", "refit", "tune"), train=(x, y), val=(x[:64], y[:64]),
        **QUICK,
    )  # fmt: skip
    assert found.best.rung == "tune"
    assert set(found.correlations) == {"estimate -> refit", "refit -> tune"}
    assert found.model.count_params() < model.count_params()


@pytest.mark.slow
def test_two_workers_find_the_same_though_the_search_and_a_worker_are_killed(trained, tmp_path):
    model, (x, _) = trained
    options = {"trials": 40, "climb": (4,), "choose_from": ("channels",), "verbose": 0}
    alone = run(model, x, Budget(macs=0.5), **options)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "x.npz", x=x)
    start = "from tfprune.cli import main; main()"
    choices = ["--trials", "40", "--climb", "4", "--no-forms", "--workers", "2", "--budget", "macs=0.5"]
    command = [sys.executable, "-c", start, "search", "model.keras", "--data", "x.npz", "--out", "out", *choices]
    settings = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stdout": subprocess.DEVNULL}

    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **settings) as search:
        until(lambda: '"rung": "refit"' in text_of(tmp_path / "out" / "trials.jsonl"), search)
        workers = workers_at_work(tmp_path / "out" / "job")
        search.kill()
    until(lambda: not any(alive(pid) for pid in workers))
    before = text_of(tmp_path / "out" / "trials.jsonl").count('"rung": "refit"')

    with subprocess.Popen(command, stderr=subprocess.PIPE, **settings) as search:
        until(lambda: workers_at_work(tmp_path / "out" / "job"), search)
        os.kill(workers_at_work(tmp_path / "out" / "job")[0], signal.SIGKILL)
        _, errors = search.communicate(timeout=300)
    assert search.returncode == 0, errors.decode()
    told = json.loads((tmp_path / "out" / "front.json").read_text())
    assert before >= 1
    assert told["failed"] == 0
    assert tuple(told["best"]["point"]) == alone.best.point
    assert told["best"]["metrics"] == pytest.approx(alone.best.metrics, rel=1e-3)
    assert not (tmp_path / "out" / "job").exists()


def until(condition, process=None):
    """Wait for something, two minutes at most, and while a process runs."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        assert process is None or process.poll() is None
        time.sleep(0.05)


def text_of(path):
    """What is in a file; nothing if there is none."""
    return path.read_text() if path.exists() else ""


def alive(pid):
    """Whether a process runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def workers_at_work(job):
    """The worker processes of a search that have taken a plan."""
    content = text_of(job / "queue.log")
    names = [part.split('"')[0] for part in content.split('"worker":"')[1:]]
    return [int(name.split("-")[-2]) for name in names]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": ("error", "latencies")}, "'latency'"),
        ({"objectives": ("macs",)}, "'error' first"),
        ({"budget": None}, "how small"),
        ({"rungs": ("refit", "estimate")}, "in this order"),
        ({"rungs": ("estimate", "refits")}, "'refit'"),
        ({"climb": ()}, "how many plans climb"),
        ({"trials": 0}, "ints from 1"),
        ({"strategy": "nsga3"}, "'nsga2'"),
        ({"rungs": ("estimate", "tune")}, "give train="),
        ({"n_trials": 3}, "trials="),
    ],
)
def test_bad_input_is_refused_before_any_work(options, message):
    with pytest.raises((InputError, TypeError), match=message):
        run(network(), images(32)[0], **{"budget": Budget(macs=0.5), **QUICK, **options})


def test_a_folder_with_something_else_stays_as_it_is(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        run(network(), images(32)[0], Budget(macs=0.5), folder=tmp_path, **QUICK)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [tmp_path / "notes.txt"]


def test_there_has_to_be_a_search_to_join(tmp_path):
    from tfprune.cli.search import run_worker

    with pytest.raises(InputError, match="no search that workers could join"):
        run_worker(tmp_path)
