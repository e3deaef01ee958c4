"""Stages in a folder: a .keras and a .tflite file of each, and what they hand over to each other."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfprune.errors import InputError
from tfprune.export import to_tflite
from tfprune.files import PathLike
from tfprune.loading import load_keras
from tfprune.partition.manifest import FORMAT, MANIFEST, OLD, check_folder, read_manifest
from tfprune.partition.plan import PartitionPlan
from tfprune.partition.stages import Sent, Stage, Stages, sample_inputs
from tfprune.version import __version__, versions_of

__all__ = ["load_stages", "new_folder", "save_stages"]

PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert")
SAMPLES = 8


def save_stages(
    stages: Stages,
    folder: PathLike,
    *,
    overwrite: bool = False,
    tflite: bool = True,
    extra: Mapping[str, Any] | None = None,
    models: Mapping[str, keras.Model] | None = None,
) -> None:
    """Write stages to a folder; see `Stages.save`.

    Args:
        stages: The stages.
        folder: The folder.
        overwrite: Whether what was saved there before may be replaced.
        tflite: Whether to write .tflite files too.
        extra: Further entries of the manifest.
        models: Further models, by the name of their file without a suffix.
    """
    check_folder(folder, overwrite=overwrite)
    known = {name: np.asarray(value) for name, value in stages.run(sample_inputs(stages, SAMPLES)).items()}
    entries = []
    with new_folder(folder, overwrite=overwrite) as made:
        for stage in stages.stages:
            name = f"stage_{stage.number}"
            write_model(stage.model, made / name, {key: known[key] for key in stage.inputs}, tflite=tflite)
            entries.append(
                {
                    "number": stage.number,
                    "device": stage.device,
                    "keras": f"{name}.keras",
                    "tflite": f"{name}.tflite" if tflite else None,
                    "inputs": list(stage.inputs),
                    "outputs": list(stage.outputs),
                }
            )
        for name, model in (models or {}).items():
            write_model(model, made / name, {key: known[key] for key in model.input}, tflite=tflite)
        manifest = {
            "format": FORMAT,
            "model": stages.plan.model,
            "inputs": stages.inputs,
            "outputs": stages.outputs,
            "tensors": [asdict(one) for one in stages.tensors.values()],
            "stages": entries,
            **(extra or {}),
            "plan": stages.plan.to_dict(),
            "versions": versions(),
        }
        (made / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def write_model(model: keras.Model, path: Path, samples: Mapping[str, Any], *, tflite: bool) -> None:
    """Write a model as .keras, and as .tflite compared with it on samples."""
    model.save(path.with_suffix(".keras"))
    if tflite:
        to_tflite(model, path.with_suffix(".tflite"), parity_data=dict(samples))


def load_stages(folder: PathLike) -> Stages:
    """Read the stages that `Stages.save` wrote.

    Args:
        folder: The folder.

    Returns:
        The stages, with their plan.

    Raises:
        InputError: If the folder has no manifest, it is damaged, or a file can't be loaded safely.

    Example:
        >>> from tfprune.partition import Device, Devices, Link, partition, plan_partition
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)])
        >>> row = Devices([Device("phone"), Device("server")], Link("1MB/s"))
        >>> partition(model, plan_partition(model, row, stages=2, latency=[1, 1])).save("stages", tflite=False)
        >>> len(load_stages("stages"))
        2
    """
    manifest = read_manifest(folder)
    stages = []
    for one in manifest["stages"]:
        model = load_keras(Path(folder) / one["keras"])
        stages.append(Stage(one["number"], one["device"], model, tuple(one["inputs"]), tuple(one["outputs"])))
    try:
        plan = PartitionPlan.from_dict(manifest["plan"])
        tensors = {
            one["name"]: Sent(**{**one, "shape": tuple(one["shape"]), "read_by": tuple(one["read_by"])})
            for one in manifest["tensors"]
        }
    except (TypeError, KeyError) as error:
        raise InputError(f"{Path(folder) / MANIFEST} is damaged ({error}); save the stages again.") from error
    return Stages(plan, tuple(stages), tensors, manifest["inputs"], manifest["outputs"])


@contextlib.contextmanager
def new_folder(folder: PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `folder`, and move it there when the block ends well; else remove it.

    Args:
        folder: Where it goes; what is there already is replaced.
        overwrite: Whether that may have files in it.
    """
    destination = check_folder(folder, overwrite=overwrite)
    temporary = Path(tempfile.mkdtemp(dir=destination.resolve().parent, prefix=f".{destination.name}-"))
    try:
        yield temporary
        for file in temporary.iterdir():
            with open(file, "rb+") as opened:
                os.fsync(opened.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)  # mkdtemp makes private folders
        old = temporary.with_name(f"{temporary.name}{OLD}")
        if destination.is_dir():
            os.replace(destination, old)
        try:
            os.replace(temporary, destination)
        except BaseException:
            if old.is_dir():
                os.replace(old, destination)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def versions() -> dict[str, str]:
    """Return the versions of what makes the files."""
    return {"tfprune": __version__, "python": platform.python_version(), **versions_of(*PACKAGES)}
