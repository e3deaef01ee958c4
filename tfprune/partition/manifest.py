"""What a folder of stages says about itself: `manifest.json`, read without Keras."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfprune.errors import InputError
from tfprune.files import PathLike
from tfprune.numbers import is_integer, is_real

__all__ = ["FORMAT", "MANIFEST", "OLD", "check_folder", "files_of", "read_manifest", "recover"]

FORMAT = 1
MANIFEST = "manifest.json"
OLD = "-old"
"""What the hidden name of a folder ends in while it is replaced."""

OURS = re.compile(r"stage_\d+\.(keras|tflite)|exit_\d+\.(keras|tflite)|manifest\.json")
NEEDED = {"format": int, "model": str, "tensors": list, "stages": list, "plan": dict, "versions": dict}


def read_manifest(folder: PathLike) -> dict[str, Any]:
    """Return the manifest of a folder that `Stages.save` wrote.

    Raises:
        InputError: If there is none, it is damaged, of another version, or a file is missing that it names.
    """
    path = Path(folder) / MANIFEST
    recover(Path(folder))
    if not path.is_file():
        raise InputError(f"There is no {MANIFEST} in {folder}; give a folder that tfprune partition --out wrote.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("it is not an object")
        if found.get("format") != FORMAT:
            raise InputError(f"{path} has the format {found.get('format')!r}; this tfprune reads format {FORMAT}.")
        for key, kind in NEEDED.items():
            if not isinstance(found.get(key), kind):
                raise TypeError(f"it has no {key}")
        known = {str(one["name"]): one for one in found["tensors"]}
        for stage in found["stages"]:
            for name in (*stage["inputs"], *stage["outputs"]):
                if name not in known:
                    raise TypeError(f"stage {stage['number']} has the unknown tensor {name!r}")
        for one in found.get("exits") or ():
            if not isinstance(one["keras"], str) or not is_real(one["confidence"]) or not is_integer(one["stage"]):
                raise TypeError(f"{one!r} is no exit")
    except InputError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}); save the stages again.") from error
    for name in files_of(found):
        if not OURS.fullmatch(name):
            raise InputError(f"{path} names the file {name!r}, which is not one of a stage; save the stages again.")
        if not (Path(folder) / name).is_file():
            raise InputError(f"There is no {name} in {folder}, which its {MANIFEST} names; save the stages again.")
    return found


def files_of(manifest: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that a manifest names."""
    entries = [*manifest["stages"], *(manifest.get("exits") or ())]
    return [str(one[key]) for one in entries for key in ("keras", "tflite") if one.get(key)]


def recover(folder: Path) -> None:
    """Bring back stages that were being replaced when the process was killed: they are hidden beside the folder."""
    if folder.exists():
        return
    hidden = sorted(folder.resolve().parent.glob(f".{glob.escape(folder.name)}-????????{OLD}"))
    for old in hidden:
        if (old / MANIFEST).is_file():
            os.replace(old, folder)
            return


def check_folder(folder: PathLike, *, overwrite: bool = False) -> Path:
    """Return a folder as a Path if stages may be saved there.

    Call it before the work whose result is to be saved.

    Raises:
        InputError: If it is a file, has files in it that may not be replaced, or there is nowhere to make it.
    """
    destination = Path(folder)
    recover(destination)
    if destination.exists() and not destination.is_dir():
        raise InputError(f"{destination} is a file; give the path of a folder.")
    if not destination.resolve().parent.is_dir():
        raise InputError(f"There is no folder {destination.parent} to make {destination.name} in; create it first.")
    held = sorted(one.name for one in destination.iterdir()) if destination.is_dir() else []
    foreign = [name for name in held if not OURS.fullmatch(name)]
    if foreign:
        raise InputError(
            f"{destination} has other files in it ({', '.join(foreign[:3])}); give an empty folder, or a new one."
        )
    if held and not overwrite:
        raise InputError(
            f"{destination} is not empty; choose another folder or allow overwriting (overwrite=True, --overwrite)."
        )
    return destination
