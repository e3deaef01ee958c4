"""What users hand to the command line: models and data, read safely."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError, nearest
from tfprune.files import existing_file
from tfprune.loading import load_keras
from tfprune.sizes import readable

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

__all__ = ["check_keras", "load_arrays", "load_model", "one_of", "parse_granularity"]

SAFE_KERAS = (3, 15, 1)
"""The first release in which loading a hostile .keras file is believed to be harmless."""


def check_keras() -> None:
    """Refuse a Keras that runs code of the models it loads.

    Raises:
        InputError: If it is too old.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    version = tuple(int(part) for part in keras.__version__.split(".")[:3] if part.isdigit())
    if version < SAFE_KERAS:
        raise InputError(
            f"Keras {keras.__version__} has known holes in loading model files; pip install 'keras>=3.15.1' first "
            "(it needs Python 3.11 or newer)."
        )


def load_model(path: Path, *, compile_model: bool = False) -> keras.Model:
    """Return the model in a .keras file, without running code that the file brings along.

    Raises:
        InputError: If the file is missing, is not a .keras file, can't be loaded safely, has names with control
            characters, or Keras is too old for that.
    """
    existing_file(path, ".keras")
    check_keras()
    model = load_keras(path, compile_model=compile_model)
    hidden = next((layer.name for layer in model._flatten_layers() if not layer.name.isprintable()), None)
    if hidden is not None:  # it could write over what a terminal shows
        raise InputError(
            f"{path} has a layer whose name has control characters, {ascii(hidden)[:80]}; give it another name."
        )
    return model


def load_arrays(path: Path, *keys: str) -> list[NDArray[Any]]:
    """Return arrays of an .npz file by name; of an .npy file the only one.

    Args:
        path: The file. Pickled objects in it are refused.
        *keys: Names of the arrays; each may have alternatives, as in `"x|x_train"`. Without one that ends in `?`, as in
            `"y?"`, what is returned is shorter.

    Raises:
        InputError: If the file is missing or damaged, or lacks one of the arrays.
    """
    existing_file(path, ".npz", ".npy")
    import numpy as np

    found = []
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays: Mapping[str, NDArray[Any]] = {"x": loaded} if isinstance(loaded, np.ndarray) else loaded
            for key in keys:
                name = next((name for name in key.rstrip("?").split("|") if name in arrays), None)
                if name is None and key.endswith("?"):
                    continue
                if name is None:
                    held = ", ".join(map(clean, arrays)) or "none"
                    raise InputError(f"{path} has no array {key.replace('|', ' or ')}; it has {held}.")
                check_size(path, loaded, name)
                array = arrays[name]
                if array.dtype.kind not in "fiub" or not array.size:
                    raise InputError(f"The array {name} in {path} is empty or has no numbers; store numbers.")
                found.append(array)
    except InputError:
        raise
    except Exception as error:  # zip, header, memory and pickle errors of many kinds
        raise InputError(f"{path} can't be read as arrays: {first_sentence(error)}") from error
    return found


def check_size(path: Path, loaded: Any, name: str) -> None:
    """Refuse an array in an archive that is larger than the memory of this machine, before it is unpacked."""
    archive = getattr(loaded, "zip", None)
    if archive is None or not hasattr(os, "sysconf"):
        return
    size = sum(info.file_size for info in archive.infolist() if info.filename in (name, f"{name}.npy"))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise InputError(
            f"The array {name} in {path} has {readable(size)} when it is unpacked, and this machine {readable(memory)} "
            "of memory; give fewer samples."
        )


def clean(name: str) -> str:
    """Return a name from a file without control characters, and not too long."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 60 else f"{text[:59]}…"


def one_of(value: str | None, allowed: tuple[str, ...], what: str) -> str | None:
    """Return `value` if it is None or allowed.

    Raises:
        InputError: If it is neither.
    """
    if value is not None and value not in allowed:
        raise InputError(f"Unknown {what} {value!r}. {nearest(value, allowed)}")
    return value


def parse_granularity(text: str) -> str | tuple[int, int]:
    """Return `"1x4"` as a block (1, 4), anything else as it is.

    Example:
        >>> parse_granularity("1x4"), parse_granularity("2:4")
        ((1, 4), '2:4')
    """
    outputs, times, inputs = text.partition("x")
    return (int(outputs), int(inputs)) if times and outputs.isdigit() and inputs.isdigit() else text


def first_sentence(error: Exception) -> str:
    """Return the first line of an error's message."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
