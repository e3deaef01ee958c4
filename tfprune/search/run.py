"""`tfprune.search.run`: the best plan of a network within a budget, or the whole front."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tfprune.arguments import named_arguments
from tfprune.console import console
from tfprune.cost import Budget
from tfprune.errors import InputError, TfpruneError, nearest
from tfprune.files import PathLike
from tfprune.graph.choice import LayerChoice
from tfprune.numbers import is_integer
from tfprune.search.call import call_of
from tfprune.search.find_plans import KINDS, find_plans
from tfprune.search.folder import mark_of, open_journal, saved_model, write_result
from tfprune.search.journal import Trial
from tfprune.search.look import Look, climb_to, explore, foretold
from tfprune.search.making import Maker
from tfprune.search.pool import Here, Pool
from tfprune.search.result import Searched
from tfprune.search.rungs import OBJECTIVES, RUNGS, Evaluator
from tfprune.search.workers import Workers
from tfprune.strategies.base import Strategy, strategies
from tfprune.strategies.front import front_of

__all__ = ["run"]

DEFAULT = ("evolution", "nsga2")
"""The strategy with one objective, and with several."""


@named_arguments(n_trials="give trials=", directions="all objectives are made small; give objectives=('error', 'macs')")
def run(
    model: keras.Model,
    data: Any,
    budget: Budget | None = None,
    *,
    objectives: Sequence[str] = ("error",),
    strategy: str | Strategy | None = None,
    trials: int = 1000,
    rungs: Sequence[str] = ("estimate", "refit"),
    climb: Sequence[int] = (8, 3),
    choose_from: Sequence[str] = KINDS,
    precisions: Sequence[str] = ("float32",),
    form: Any = None,
    levels: int = 8,
    val: Any = None,
    train: Any = None,
    epochs: int = 1,
    samples: int = 1024,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    round_to: int | None = None,
    min_channels: int | Mapping[keras.Layer | str, int] = 1,
    folder: PathLike | None = None,
    overwrite: bool = False,
    workers: int = 1,
    seed: int = 0,
    verbose: int = 1,
) -> Searched:
    """Search for the best plan of a network: channels to keep, forms of layers, precision.

    A strategy explores the plans on the first rung of a ladder; the best climb to the next, where they are looked at
    more closely. The greedy path is among what every strategy begins with, so that none ends below it on that rung.

    Args:
        model: A built model of any kind; compiled with a loss, if it is judged on `val`.
        data: Samples of what the model is used on, without labels: anything `fit` takes.
        budget: What the network may cost, such as `Budget(latency=0.5)`. With several objectives it may be None.
        objectives: What is to be small: `"error"` first, then any of `"latency"`, `"macs"`, `"params"`, `"bytes"` (of
            weights) and `"memory"` (of activations). With several the result is a Pareto front.
        strategy: One of `tfprune.strategies`: by default `"evolution"` with one objective, `"nsga2"` with more.
        trials: How many plans are looked at on the first rung at most.
        rungs: The ladder: `"estimate"` (no network is made), `"refit"` (without training), `"tune"` (an epoch or
            more); see `tfprune.search.Evaluator`.
        climb: How many plans climb to each further rung.
        choose_from: What is chosen: `"channels"`, `"forms"` of factorisation, or both.
        precisions: The precisions to choose from, as `("float32", "int8")`; those of the file that is written.
        form: The forms to choose from.
        levels: How many levels each choice has at most.
        val: Data with labels to judge on from `"refit"` on; None judges by how alike outputs are to the network's.
        train: Data with labels, for `"tune"`.
        epochs: How long `"tune"` trains.
        samples: How many of `data` are used at most.
        layers: Only these layers (objects, types, names, paths).
        skip: None of these.
        round_to: Kept channels and ranks are multiples of this; by default 1, and with latencies what is fast here.
        min_channels: No group keeps fewer.
        folder: Where trials, the front and the best model go; the same call goes on where it was stopped. None keeps
            everything in memory.
        overwrite: Whether the folder of another search may be replaced.
        workers: How many processes look at plans from `"refit"` on. More than one needs Optuna, whose journal is the
            queue; then `tfprune search --join FOLDER` adds workers, also on other machines that see the folder.
        seed: Seed of everything that draws random numbers. The result does not depend on the number of workers.
        verbose: 1 prints what is done, 0 nothing.

    Returns:
        The best plan within the budget as a network, the front, and all trials.

    Raises:
        InputError: If an argument is not one of the allowed values, no plan meets the budget, or the folder holds
            something else.
        TfpruneError: If every plan that was made failed.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(16, 3), keras.layers.Conv2D(16, 3),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
        >>> images = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
        >>> found = run(model, images, Budget(macs=0.5), trials=50, climb=[2], verbose=0)
        >>> found.best.metrics["macs"] <= found.whole.metrics["macs"] / 2
        True
    """
    call = call_of(run, "tfprune.search.run", locals())
    settings = check(budget, objectives, trials, rungs, climb, workers, epochs)
    objectives, rungs = tuple(objectives), tuple(rungs)
    rule = strategies.get(DEFAULT[len(objectives) > 1] if strategy is None else strategy)
    tell = print if verbose else (lambda line: None)
    timed = "latency" in objectives or (budget is not None and budget.latency is not None)
    how: dict[str, Any] = {
        "choose_from": tuple(choose_from), "precisions": tuple(precisions), "form": form, "levels": levels,
        "latency": timed, "samples": samples, "layers": layers, "skip": skip, "round_to": round_to,
        "min_channels": min_channels, "seed": seed,
    }  # fmt: skip
    plans, given = find_plans(model, data, budget, **how, verbose=verbose)
    maker = Maker(plans.graph, given, plans.whole.latency, seed)
    evaluator = Evaluator(maker, model, val=val, train=train, epochs=epochs, timed=timed, seed=seed)
    if "tune" in rungs and (val is None or train is None):
        raise InputError("The rung 'tune' trains; give train= and val=, with labels.")
    place = None if folder is None else Path(folder)
    mark = mark_of(model, given, plans, {**settings, **how, "strategy": rule, "epochs": epochs}, val, train)
    journal = open_journal(place, mark, len(plans.choices), overwrite=overwrite)
    space = plans.space
    climbs = zip(climb, rungs[1:], strict=False)
    steps = "".join(f", {count} climb to {rung}" for count, rung in climbs)
    name = type(rule).__name__
    size = f"{len(plans.choices)} choices, {space.count:.3g} plans"
    tell(f"tfprune: {size}; {name}: {trials:,} at most ({rungs[0]}){steps}")
    with tempfile.TemporaryDirectory() as temporary:
        models = Path(temporary) if place is None else place / "models"
        models.mkdir(exist_ok=True)
        pool: Pool = Here(evaluator, plans, models)
        if workers > 1:
            pool = Workers(evaluator, plans, models, count=workers)
        with pool:
            look = Look(journal, pool, plans, objectives)
            explore(look, rule, rungs[0], trials, seed)
            climbed = [trial.point for trial in journal.trials if trial.rung == rungs[0]]
            for below, rung, count in zip(rungs, rungs[1:], climb, strict=False):
                climbed = climb_to(look, below, rung, climbed, count, tell)
            whole = look([space.whole], rungs[-1])[0]
        result = finish(look, rungs, whole, evaluator, models, place, call)
    if place is not None:
        write_result(result, place)
    if verbose:
        console().print(result.table())
        if place is not None:
            print(f"tfprune: wrote {place}")
    return result


def finish(
    look: Look,
    rungs: tuple[str, ...],
    whole: Trial,
    evaluator: Evaluator,
    models: Path,
    place: Path | None,
    call: str,
) -> Searched:
    """Return the result: of the trials on the last rung those of the front, and the network of the best."""
    everything = look.journal.trials
    last = [trial for trial in everything if trial.rung == rungs[-1] and trial.point != look.plans.space.whole]
    last.sort(key=lambda trial: trial.point)  # they come in any order from several workers
    fitting = [trial for trial in last if look.fits(trial)]
    if not fitting:
        failed = next((trial.failed for trial in last if trial.failed), None)
        if failed is not None:
            raise TfpruneError(f"No plan could be made; the first one failed: {failed}")
        raise InputError(
            "No plan that was made is within the budget, though the estimates were; let more plans climb (climb=), or "
            "give a slightly smaller budget."
        )
    front = tuple(fitting[n] for n in front_of([look.values(trial) for trial in fitting]))
    best = min(fitting, key=look.values)
    correlations = {f"{below} -> {rung}": foretold(look, below, rung) for below, rung in itertools.pairwise(rungs)}
    model = saved_model(models, best) or evaluator.network(best.rung, look.plans.plan(best.point))
    return Searched(
        model, best, front, tuple(everything), whole, look.objectives, correlations, look.plans, call, place
    )  # fmt: skip


def check(
    budget: Any, objectives: Any, trials: Any, rungs: Any, climb: Any, workers: Any, epochs: Any
) -> dict[str, Any]:
    """Check what can be checked without the model; return what tells one search from another, by name.

    Raises:
        InputError: If one of them is not one of the allowed values.
    """
    for name in objectives:
        if name not in OBJECTIVES:
            raise InputError(f"Unknown objective {name!r}. {nearest(name, OBJECTIVES)}")
    if not objectives or objectives[0] != "error" or len(set(objectives)) != len(objectives):
        raise InputError(f"objectives is {tuple(objectives)!r}; give 'error' first, and each only once.")
    if budget is None and len(objectives) == 1:
        raise InputError(
            "Nothing says how small the network has to be; give a budget such as Budget(latency=0.5), or a second "
            "objective."
        )
    for name in rungs:
        if name not in RUNGS:
            raise InputError(f"Unknown rung {name!r}. {nearest(name, RUNGS)}")
    if not rungs or [RUNGS.index(name) for name in rungs] != sorted({RUNGS.index(name) for name in rungs}):
        raise InputError(f"rungs is {tuple(rungs)!r}; give some of {RUNGS}, in this order.")
    if len(climb) < len(rungs) - 1:
        raise InputError(f"climb is {tuple(climb)!r}; say for each of {tuple(rungs[1:])} how many plans climb to it.")
    for name, values in (("trials", [trials]), ("climb", climb), ("workers", [workers]), ("epochs", [epochs])):
        if not all(is_integer(value) and value >= 1 for value in values):
            raise InputError(f"{name} is {values!r}; give ints from 1.")
    return {"budget": str(budget), "objectives": objectives, "trials": trials, "rungs": rungs, "climb": climb}
