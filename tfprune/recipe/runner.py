"""`tfprune.compress`: all stages of a recipe, in a folder, from wherever the last run stopped."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
from rich.table import Table

from tfprune.console import console
from tfprune.distillation.fingerprint import compiled_as, fingerprint
from tfprune.distillation.teacher import snapshot
from tfprune.errors import InputError
from tfprune.files import atomic_path, remove_temporaries, write_atomically
from tfprune.graph.random_state import restart_random_states
from tfprune.loading import load_keras
from tfprune.recipe.card import card_of, rows_of
from tfprune.recipe.epochs import EpochLog
from tfprune.recipe.named import find_recipe
from tfprune.recipe.recipe import Recipe
from tfprune.recipe.work import Measured, Work
from tfprune.report.compressed import of_compress
from tfprune.report.folders import write_report
from tfprune.report.judged import samples_in

__all__ = ["Compressed", "compress"]

STATE = "metrics.json"
OWN = (
    "recipe.yaml", "card.md", "log.txt", "model.keras", "gates.npz", "factors.json", "dense_float32.tflite",
    "model_micro.tflite", "model_micro.h", "model_micro.cc", "report.html", "report.json",
)  # fmt: skip
WRITTEN = (STATE, *OWN, "model_*.tflite", "stage_*.keras")
STAGE_FILE = re.compile(r"stage_\d+_.+\.keras")


@dataclass(frozen=True)
class Compressed:
    """What a recipe has made of a model.

    Args:
        model: The smaller model.
        recipe: The recipe.
        folder: Where its files are: `model.keras`, the .tflite files, `report.html`, `report.json`, `card.md`,
            `metrics.json`, `log.txt` and `recipe.yaml`, and a .keras file for each stage.
        state: What was measured: of the dense network, after each stage and each epoch, of the files.
        metric: The metric that counts.

    Example:
        >>> state = {"whole": {"accuracy": 0.91, "parameters": 450_000},
        ...          "done": [{"method": "prune", "measured": {"accuracy": 0.9, "parameters": 162_000}}]}
        >>> recipe = Recipe([{"method": "prune", "granularity": "filter", "amount": 0.4}])
        >>> result = Compressed(keras.Sequential(), recipe, Path("compressed"), state, "accuracy")
        >>> [(entry["method"], entry["measured"][result.metric]) for entry in result.state["done"]]
        [('prune', 0.9)]
        >>> result.state["done"][-1]["measured"]["parameters"] / result.state["whole"]["parameters"]
        0.36
    """

    model: keras.Model = field(repr=False)
    recipe: Recipe
    folder: Path
    state: Mapping[str, Any] = field(repr=False)
    metric: str

    def table(self) -> Table:
        """Return a row for the dense network and each stage."""
        made = Table(title=self.recipe.name)
        for number, name in enumerate(["stage", self.metric, "parameters", "MACs", ""]):
            made.add_column(name, justify="right" if 0 < number < 4 else "left")
        for row in rows_of(self.state["whole"], self.state["done"], self.metric):
            made.add_row(*row)
        return made


def compress(
    model: keras.Model,
    train: Any,
    val: Any,
    recipe: Any = "moderate",
    out: str | os.PathLike[str] = "compressed",
    *,
    overwrite: bool = False,
    verbose: int = 1,
) -> Compressed:
    """Make a trained model small and fast by a recipe, and keep everything in a folder.

    Each stage's model is written when it is done, and a stage that trains is saved after each epoch. So the same call
    goes on where the last one stopped, whatever stopped it. The given model stays as it is.

    Args:
        model: A trained model, compiled with its loss and metrics.
        train: Training data: `(x, y)` or `(x, y, sample_weight)` of arrays, a `tf.data.Dataset`, or a
            `keras.utils.PyDataset`.
        val: Data to measure on, likewise; training does not see them.
        recipe: A `tfprune.recipe.Recipe`, a name (`"conservative"`, `"moderate"`, `"mobile"`, `"tiny"`,
            `"vgg16_article"`), the path of a .yaml file, or a mapping.
        out: The folder; made if there is none.
        overwrite: Whether what another recipe or model has left there is removed.
        verbose: 1 prints what is done, with progress bars.

    Returns:
        The model, and what was measured after each stage.

    Raises:
        InputError: If the model is not compiled, an argument is not one of the allowed values, or the folder is
            another recipe's; before any work is done.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> x, y = np.ones((64, 8), "float32"), np.ones((64, 2))
        >>> recipe = Recipe([{"method": "prune", "granularity": "filter", "amount": 0.5, "epochs": 2},
        ...                  {"method": "shrink"}])
        >>> result = compress(model, (x, y), (x, y), recipe, "out", verbose=0)
        >>> result.state["done"][-1]["measured"]["parameters"] < result.state["whole"]["parameters"]
        True
    """
    chosen, folder = find_recipe(recipe), Path(out)
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if verbose:
            print(line)

    whole_model = snapshot(model)
    work = Work(
        model, whole_model, train, val, folder, seed=chosen.seed, batch_size=chosen.batch_size, metric=chosen.metric,
        floor=chosen.floor, tell=tell, verbose=verbose,
    )  # fmt: skip
    mark = mark_of(chosen, model)
    state = open_folder(folder, mark, stage_files(chosen), overwrite=overwrite)
    if state["whole"] is None:
        state["whole"] = work.measure(whole_model)
    name, value, _ = work.score(state["whole"])
    write_atomically(folder / "recipe.yaml", chosen.to_yaml())
    tell(f"tfprune: {chosen.name}, {len(chosen.steps)} stages; dense {name} {value:.4f}")
    work.model = load(folder, state["done"][-1]) if state["done"] else copied(work, whole_model)
    work.exported = dict(state["exported"])
    work.above = lambda: last_above(folder, state)
    for number, stage in enumerate(chosen.steps):
        if number < len(state["done"]):
            tell(f"tfprune: stage {number + 1}, {stage.method}: done before")
            continue
        tell(f"tfprune: stage {number + 1}, {stage}")
        restart_random_states(work.model, chosen.seed + number)
        begin = time.perf_counter()
        work.watchers = [
            EpochLog(
                entries=state["epochs"], save=lambda: write_state(folder, state), stage=number, name=stage.method,
                dense=whole_model,
            )
        ]  # fmt: skip
        stage.run(work)
        measured = work.measure()
        file = stage_files(chosen)[number]
        save(work.model, folder / file)
        state["done"].append(
            {
                "method": stage.method, "file": file, "measured": measured,
                "kept": work.keeps(measured, state["whole"]), "seconds": time.perf_counter() - begin,
            }
        )  # fmt: skip
        state["exported"] = work.exported
        write_state(folder, state)
        write_log(folder, lines)
        tell(f"  {told(work, measured, state['whole'])}")
    work.settle()
    save(work.model, folder / "model.keras")
    write_atomically(folder / "card.md", card_of(chosen, state, name))
    report_on(work, whole_model, chosen, state, name)
    write_log(folder, lines)
    result = Compressed(work.model, chosen, folder, state, name)
    if verbose:
        console().print(result.table())
        print(f"tfprune: wrote {folder}")
    return result


def report_on(work: Work, whole: keras.Model, recipe: Recipe, state: Mapping[str, Any], metric: str) -> None:
    """Write the report; what goes wrong with it is said, and takes nothing else along."""
    try:
        samples = samples_in(work.val)
        made = of_compress(state, recipe.to_yaml(), whole, work.model, metric=metric, samples=samples)
        write_report(made, work.folder)
    except Exception as error:  # all the work is done by now
        work.log(f"tfprune: there is no report.html: {error}")


def copied(work: Work, whole: keras.Model) -> keras.Model:
    """Return a copy of the dense network to work on."""
    made = snapshot(whole)
    made.name = work.dense.name.removesuffix("_teacher")
    work.compile(made)
    return made


def told(work: Work, measured: Measured, whole: Measured) -> str:
    """Return what a stage has come to, in a line."""
    name, value, _ = work.score(measured)
    parts = [f"{measured[cost] / max(whole[cost], 1):.1%} of the {cost}" for cost in ("parameters", "macs")]
    below = "" if work.keeps(measured, whole) else f"; below the floor of {work.floor:.1%}"
    return f"{name} {value:.4f} ({work.score(whole)[1]:.4f} dense), {', '.join(parts)}{below}"


def mark_of(recipe: Recipe, model: keras.Model) -> str:
    """Return what tells this recipe on this model from others."""
    told = f"{recipe.to_yaml()}{fingerprint(model)}{compiled_as(model)}"
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def stage_files(recipe: Recipe) -> list[str]:
    """Return the name of each stage's file."""
    return [f"stage_{number}_{stage.method}.keras" for number, stage in enumerate(recipe.steps, 1)]


def open_folder(folder: Path, mark: str, files: Sequence[str], *, overwrite: bool) -> dict[str, Any]:
    """Return what is known of a folder's stages; make the folder if there is none.

    Args:
        folder: The folder.
        mark: What tells this work from others.
        files: The name of each stage's file; one that is missing is made again, and those after it.
        overwrite: Whether what others have left there is removed.

    Raises:
        InputError: If it holds another recipe's work, or something that is not ours.
    """
    fresh: dict[str, Any] = {"mark": mark, "whole": None, "done": [], "exported": {}, "epochs": []}
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STATE
    remove_temporaries(folder, *WRITTEN)
    if not path.exists():
        if any(folder.iterdir()) and not overwrite:
            raise InputError(f"{folder} is not empty; give another folder, or allow overwriting (overwrite=True).")
        shutil.rmtree(folder / "backup", ignore_errors=True)
        write_state(folder, fresh)
        return fresh
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        named = [entry["file"] for entry in state["done"]]
        same = state["mark"] == mark and named == list(files[: len(named)])
    except (ValueError, KeyError, TypeError):
        same = False
    if same:
        return without_lost(folder, fresh | state)
    if not overwrite:
        raise InputError(
            f"{folder} holds the work of another recipe or model; give another folder, or allow overwriting "
            "(overwrite=True)."
        )
    stages = [path.name for path in folder.iterdir() if STAGE_FILE.fullmatch(path.name)]
    for name in (*OWN, *stages):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "backup", ignore_errors=True)
    write_state(folder, fresh)
    return fresh


def without_lost(folder: Path, state: dict[str, Any]) -> dict[str, Any]:
    """Return what is known up to the first stage whose file is not there any more; that stage begins anew."""
    there = [(folder / entry["file"]).is_file() for entry in state["done"]]
    if all(there):
        return state
    kept = there.index(False)
    shutil.rmtree(folder / "backup", ignore_errors=True)
    epochs = [one for one in state["epochs"] if one["stage"] < kept]
    return {**state, "done": state["done"][:kept], "epochs": epochs}


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write what is known of the stages."""
    write_atomically(folder / STATE, json.dumps(state, indent=2) + "\n")


def write_log(folder: Path, lines: list[str]) -> None:
    """Add lines to the log."""
    with open(folder / "log.txt", "a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    lines.clear()


def save(model: keras.Model, path: Path) -> None:
    """Write a model, whole or not at all."""
    with atomic_path(path) as temporary:
        model.save(temporary)


def load(folder: Path, entry: Mapping[str, Any]) -> keras.Model:
    """Return the model of a stage.

    Raises:
        InputError: If its file is damaged.
    """
    try:
        return load_keras(folder / entry["file"], compile_model=True)
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')}. Delete that file, and the same call makes it again.") from error


def last_above(folder: Path, state: Mapping[str, Any]) -> keras.Model | None:
    """Return the last model that keeps the floor if the last one does not; None if it does, or none does."""
    done = state["done"]
    if not done or done[-1]["kept"]:
        return None
    return next((load(folder, entry) for entry in reversed(done) if entry["kept"]), None)
