"""A model as an Android app takes it: assets that say what they are, and the Kotlin that runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfprune.benchmark.flatbuffer import operator_names
from tfprune.errors import InputError
from tfprune.export.android_kotlin import is_scores, kotlin_text
from tfprune.export.android_readme import LITERT, readme_text
from tfprune.export.inspection import Inspected, inspect_file
from tfprune.export.result import ExportResult
from tfprune.export.tflite import to_tflite
from tfprune.files import PathLike, existing_file
from tfprune.shown import Shown
from tfprune.version import __version__

__all__ = ["AndroidAssets", "check_android", "to_android"]

PACKAGE = "com.example.tfprune"
NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


@dataclass(frozen=True)
class AndroidAssets(Shown):
    """What has been written for an app.

    Args:
        folder: Where: `assets/model.tflite`, `assets/metadata.json`, perhaps `assets/labels.txt`, `Classifier.kt` and
            `README.md`.
        metadata: What metadata.json says.
        export: What the conversion has found; None if the model was a .tflite file.

    Example:
        >>> made = AndroidAssets(Path("app"), {"bytes": 85_140, "classes": 10}, export=None)  # of a .tflite file
        >>> print(made)
        app: assets/model.tflite (85,140 bytes, 10 classes) and Classifier.kt
    """

    folder: Path
    metadata: dict[str, Any]
    export: ExportResult | None

    def __str__(self) -> str:
        classes = self.metadata["classes"]
        known = "" if classes is None else f", {classes} classes"
        return f"{self.folder}: assets/model.tflite ({self.metadata['bytes']:,} bytes{known}) and Classifier.kt"


def to_android(
    source: Any,
    folder: PathLike,
    *,
    labels: PathLike | Sequence[str] | None = None,
    package: str = PACKAGE,
    quantize: str | None = None,
    representative_data: Any = None,
    io_dtype: str = "float32",
    overwrite: bool = False,
) -> AndroidAssets:
    """Write a model as an Android app takes it.

    The folder gets `assets/model.tflite`, `assets/metadata.json` (inputs and outputs with names, shapes, types,
    scales and zero points, the SHA-256, versions), `assets/labels.txt` if there are labels, `Classifier.kt` with the
    shapes and the quantisation of this model, for LiteRT's `CompiledModel`, and a README.md with what Gradle needs.
    What is written agrees with what the file says; the Kotlin has not been compiled.

    Args:
        source: A built Keras model, the path of a .tflite file, or what `to_tflite` gave for one.
        folder: Where to write. It appears whole or not at all.
        labels: Names of the classes, in the order of the scores: a text file with one in each line, or a list.
        package: The Kotlin package that Classifier.kt is in.
        quantize: How to store a Keras model; see `to_tflite`, like the two that follow.
        representative_data: Typical inputs, to calibrate with and to compare on.
        io_dtype: What an int8 file takes and gives: "float32" or "int8". Classifier.kt takes and gives real values in
            either case.
        overwrite: Whether the folder may exist; the files of the same names are then replaced, others stay.

    Returns:
        What was written.

    Raises:
        InputError: If an argument can't be used, there are not as many labels as classes, or the file needs operations
            or types that LiteRT's package for Android has not; nothing has been written.
        ExportError: If a Keras model can't be converted; nothing has been written.
        BenchmarkError: If a .tflite file is damaged; nothing has been written.

    Example:
        >>> made = tfprune.export.to_android("dense.tflite", "android", labels=tfprune.datasets.CLASSES)
        >>> made.metadata["classes"], sorted(path.name for path in made.folder.iterdir())
        (10, ['Classifier.kt', 'README.md', 'assets'])
    """
    destination = check_android(folder, package, overwrite=overwrite)
    names = None if labels is None else read_labels(labels)
    with tempfile.TemporaryDirectory(dir=destination.absolute().parent, prefix=f".{destination.name}-") as scratch:
        made = Path(scratch) / "made"
        (made / "assets").mkdir(parents=True)
        model = made / "assets" / "model.tflite"
        export = None
        if isinstance(source, str | os.PathLike | ExportResult):
            if quantize is not None or representative_data is not None or io_dtype != "float32":
                raise InputError("quantize, representative_data and io_dtype are for Keras models; leave them out.")
            shutil.copyfile(existing_file(source.path if isinstance(source, ExportResult) else source), model)
            export = source if isinstance(source, ExportResult) else None
        else:
            export = to_tflite(
                source, model, quantize=quantize, representative_data=representative_data, io_dtype=io_dtype
            )
        found = inspect_file(model)
        check_runs_on_android(found, source)
        metadata = describe(found, names, export)
        stored = found.stored
        kotlin = kotlin_text(package, found.signature or "", stored.inputs, stored.outputs, labels=names is not None)
        texts = {
            "Classifier.kt": kotlin,
            "README.md": readme_text(metadata),
            "assets/metadata.json": json.dumps(metadata, indent=2) + "\n",
        }
        if names is not None:
            texts["assets/labels.txt"] = "".join(f"{name}\n" for name in names)
        for name, text in texts.items():
            (made / name).write_text(text, encoding="utf-8")
        move(made, destination)
    return AndroidAssets(destination, metadata, export)


def check_android(folder: PathLike, package: str = PACKAGE, *, overwrite: bool = False) -> Path:
    """Return the folder that is to be written, if it may be.

    Raises:
        InputError: If it exists and is not to be overwritten, or can't be made, or the package is no name of one.
    """
    destination = Path(folder)
    if destination.exists() and not destination.is_dir():
        raise InputError(f"{destination} is a file; give a folder.")
    if destination.is_dir() and any(destination.iterdir()) and not overwrite:
        raise InputError(
            f"{destination} is not empty; give another folder, or allow overwriting (overwrite=True, --overwrite)."
        )
    parent = destination.absolute().parent
    if not parent.is_dir():
        raise InputError(f"There is no folder {parent} to make {destination.name} in; create it first.")
    if not os.access(parent, os.W_OK):
        raise InputError(f"The folder {parent} is not writable; choose another one.")
    if not isinstance(package, str) or not NAME.fullmatch(package):
        raise InputError(f"package is {package!r}; give a name such as {PACKAGE!r}.")
    return destination


def read_labels(labels: PathLike | Sequence[str]) -> list[str]:
    """Return the names of classes.

    Raises:
        InputError: If there are none, or one is empty or has several lines.
    """
    if isinstance(labels, str | os.PathLike):
        path = existing_file(labels)
        try:
            names = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not a text file in UTF-8: {error}") from error
        where = str(path)
    else:
        names, where = [str(name) for name in labels], "labels"
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    wrong = next((number for number, name in enumerate(names, 1) if not name or "\n" in name or "\r" in name), None)
    if not names or wrong is not None:
        raise InputError(
            f"{where}: {'there are none' if not names else f'number {wrong} is no name'}; give one a line."
        )
    return names


def check_runs_on_android(found: Inspected, source: Any) -> None:
    """Refuse what LiteRT's package for Android can't run.

    Raises:
        InputError: If the file needs custom operations, or has an open shape.
    """
    what = f"{source}" if isinstance(source, str | os.PathLike) else "The model"
    custom = sorted(set(found.stored.operations) - set(operator_names().values()))
    if custom:
        flex = [name for name in custom if name.startswith("Flex")]
        raise InputError(
            f"{what} needs {', '.join(custom)}: {'TensorFlow Select (Flex)' if flex else 'custom'} operations, which "
            "are not in LiteRT's package. Replace what uses them by layers that TFLite has operations for."
        )
    if found.signature is None and len(found.stored.inputs) + len(found.stored.outputs) > 2:
        raise InputError(
            f"{what} has several inputs or outputs and no signature that names them; convert it again, with one."
        )
    for info in (*found.stored.inputs, *found.stored.outputs):
        if None in info.shape:
            raise InputError(f"{what}: the shape of {info} is open; export the model with batch_size=1.")


def describe(found: Inspected, labels: Sequence[str] | None, export: ExportResult | None) -> dict[str, Any]:
    """Return what metadata.json says.

    Raises:
        InputError: If there are not as many labels as classes.
    """
    stored = found.stored
    classes = stored.outputs[0].shape[-1] if is_scores(stored.outputs) else None
    if labels is not None and len(labels) != classes:
        outputs = "; ".join(map(str, stored.outputs))
        many = "no output that is a score for each class" if classes is None else f"{classes} classes"
        raise InputError(f"There are {len(labels)} labels, and the model has {many} ({outputs}); give as many.")
    plain = json.loads(json.dumps({kind: [asdict(t) for t in getattr(stored, kind)] for kind in ("inputs", "outputs")}))
    return {
        "format": 1,
        "model": "model.tflite",
        "bytes": found.bytes,
        "sha256": found.sha256,
        "signature": found.signature,
        **plain,
        "classes": classes,
        "labels": None if labels is None else "labels.txt",
        "operations": stored.operations,
        "made_with": {"tfprune": __version__, **({} if export is None else export.versions)},
        "runs_with": LITERT,
    }


def move(made: Path, destination: Path) -> None:
    """Move a finished folder to where it is to be; into one that exists, file by file, without stale labels."""
    if not destination.exists():
        made.rename(destination)
        return
    (destination / "assets").mkdir(exist_ok=True)
    for path in sorted(made.rglob("*")):
        if path.is_file():
            os.replace(path, destination / path.relative_to(made))
    if '"labels": null' in (destination / "assets" / "metadata.json").read_text(encoding="utf-8"):
        (destination / "assets" / "labels.txt").unlink(missing_ok=True)
