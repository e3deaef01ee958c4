"""Models in `.keras` files: loaded without running code that a file brings along, and what is wrong with one in a line.

Classes and functions of one's own have to be imported before; `own_code` says which a model has, so that another
process can do that.
"""

from __future__ import annotations

import importlib
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError, one_line
from tfprune.sizes import readable

if TYPE_CHECKING:
    import keras

__all__ = ["import_own_code", "load_keras", "own_code", "reason"]

INNER = "Exception encountered:"
"""What stands before each error that another one is made of."""

EXAMPLE = "Example error message for object"
REST = re.compile(r"(?:Full object config|Full config|Arguments received|List of objects)\b.*", re.DOTALL)
UNKNOWN = re.compile(r"Could not locate (class|function) '([^']+)'")
NOT_OWN = ("keras.", "tensorflow.", "tfprune.", "builtins", "numpy.")

LARGEST_CONFIG = 64 << 20
"""Bytes of a model's description, unpacked; that of 2,000 layers has two million."""


def load_keras(path: Path, *, compile_model: bool = False, own: Mapping[str, Any] | None = None) -> keras.Model:
    """Return the model in a .keras file, loaded safely.

    Args:
        path: The file.
        compile_model: Whether it is compiled as it was.
        own: Classes and functions by name, besides those that are registered with Keras.

    Raises:
        InputError: If it can't be loaded, with the reason, or its description would fill memory.
    """
    import keras

    check_description(path)
    try:
        return keras.saving.load_model(path, custom_objects=own, compile=compile_model, safe_mode=True)
    except Exception as error:  # whatever a damaged or hostile file makes Keras raise
        raise InputError(f"{path} can't be loaded: {reason(error)}") from error


def check_description(path: Path) -> None:
    """Refuse a .keras file whose description of the model is larger than any, before it is unpacked.

    Keras itself refuses a member of a few bytes that unpacks to more than 4 GB.

    Raises:
        InputError: If it is, or if it can't be told.
    """
    with open(path, "rb") as file:  # one that can't be read is no fault of the file
        try:
            entries = zipfile.ZipFile(file).infolist()
        except Exception as error:  # whatever a damaged archive makes of it
            raise InputError(
                f"{path} can't be loaded: it is no .keras file, or has been cut off ({reason(error)}); save or copy it "
                "again."
            ) from error
    sizes = [entry.file_size for entry in entries if entry.filename.endswith(".json")]
    if max(sizes, default=0) > LARGEST_CONFIG:
        raise InputError(
            f"{path} can't be loaded: what describes its layers has {readable(max(sizes))} when it is unpacked, more "
            f"than {readable(LARGEST_CONFIG)}; if that is meant, load the model in Python."
        )


def reason(error: Exception) -> str:
    r"""Return in one line why Keras could not load a model: the innermost of the errors that it tells.

    Example:
        >>> reason(ValueError("<class 'Sequential'> could not be …\n\nException encountered: no such layer\n"))
        'no such layer'
    """
    text = str(error).rpartition(INNER)[2].strip()
    if text.startswith("A total of") and EXAMPLE in text:
        text = text.partition(EXAMPLE)[2].partition("\n")[2].strip()
    if unknown := UNKNOWN.search(text):
        kind, name = unknown.groups()
        return (
            f"Keras doesn't know its {kind} {name[:100]!r}; import what defines it, decorated by "
            "@keras.saving.register_keras_serializable(), first (on the command line: tfprune --import my_layers.py)"
        )
    lines = REST.sub("", text).strip().splitlines()
    return one_line(lines[0] if lines else type(error).__name__)[:300]


def own_code(model: keras.Model) -> dict[str, list[Any]]:
    """Return where the classes and functions of a model are defined that aren't Keras', for `import_own_code`.

    Args:
        model: The model, compiled or not.

    Returns:
        `"objects"`, pairs of a module and a name in it, and `"path"`, the folders in which these are looked for.

    Raises:
        InputError: If one is in the script that runs, or in a function, where no other process can import it.
    """
    import keras

    used = {type(layer) for layer in model._flatten_layers()}
    registered = keras.saving.get_custom_objects()
    used |= {registered[name] for name in texts_in(keras.saving.serialize_keras_object(model)) if name in registered}
    own = {(one.__module__, one.__qualname__) for one in used if not f"{one.__module__}.".startswith(NOT_OWN)}
    hidden = sorted(name for module, name in own if module == "__main__" or "<locals>" in name)
    if hidden:
        raise InputError(
            f"{hidden[0]} is defined in the script that runs, or in a function, where another process can't import it; "
            "move it to a module."
        )
    path = {folder_of(module) for module, _ in own}
    return {"objects": [list(pair) for pair in sorted(own)], "path": sorted(filter(None, path))}


def folder_of(module: str) -> str | None:
    """Return the folder in which a module, or the package that it is in, is looked for; None if it has no file."""
    place = getattr(sys.modules.get(module), "__file__", None)
    if place is None:
        return None
    file = Path(place).resolve()
    return str(file.parents[module.count(".") + (file.stem == "__init__")])


def texts_in(config: Any) -> Iterator[str]:
    """Yield every text in the config of a model, names of what is registered among them."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for value in config.values():
            yield from texts_in(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from texts_in(value)


def import_own_code(described: Mapping[str, Any]) -> dict[str, Any]:
    """Import what `own_code` has told of in another process; return classes and functions by name.

    It runs code: take the description from the process that started this one, never from a file.
    """
    sys.path[:0] = [folder for folder in described["path"] if folder not in sys.path]
    found: dict[str, Any] = {}
    for module, name in described["objects"]:
        one: Any = importlib.import_module(module)
        for part in name.split("."):
            one = getattr(one, part)
        found[one.__name__] = one
    return found
