"""What the benchmarks share: arguments, the description of the machine, child processes, results as JSON and Markdown.

Importing this module makes the checkout that it lies in the one that is measured, installed or not.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
sys.path.insert(0, str(ROOT))

from tfprune.benchmark import host  # noqa: E402
from tfprune.files import atomic_path  # noqa: E402

PACKAGES = ("tensorflow", "keras", "tf-keras", "tensorflow-model-optimization", "numpy")


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments that every benchmark has.

    Args:
        description: Docstring of the script; its first line is shown.
    """
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a run of seconds, to see that the script works")
    parser.add_argument("--out", type=Path, help="JSON file to write; the table goes beside it, as .md")
    return parser


def destination(arguments: argparse.Namespace, name: str) -> Path:
    """Return the JSON file to write; quick runs have one of their own, so that they never replace real results."""
    return arguments.out or FOLDER / "results" / f"{name}{'_quick' if arguments.quick else ''}.json"


def environment() -> dict[str, Any]:
    """Return what a reader must know to compare results: date, machine, load and versions."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": host.cpu_model(),
        "cpu_flags": list(host.cpu_flags()),
        "cores": host.cores(),
        "load_average": host.load_average(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def resumed(path: Path, quick: bool) -> dict[str, Any]:
    """Return what a file has already, to go on with; nothing yet for quick runs, or if there is no file."""
    if path.exists() and not quick:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    return {"environment": environment(), "dense": {}, "results": []}


def version(package: str) -> str | None:
    """Return the version of an installed package, None if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def child_environment(**settings: str) -> dict[str, str]:
    """Return the environment variables of a child process that measures this checkout."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3", **settings}


def run_python(arguments: Sequence[str], **settings: str) -> str:
    """Run this Python with arguments in a fresh process, and return what it prints.

    Args:
        arguments: Of the interpreter: a script and its arguments, or `-c` and code.
        **settings: Environment variables.

    Raises:
        RuntimeError: If the process fails; with the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, *arguments], env=child_environment(**settings), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"a child process ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def markdown(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers.

    Example:
        >>> print(markdown(["what", "ms"], [["a", 1.5]]))
        | what | ms |
        | --- | ---: |
        | a | 1.5 |
    """
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def caption(made: Mapping[str, Any]) -> str:
    """Return the line under a table that says where and when its numbers were measured."""
    versions = ", ".join(f"{package} {number}" for package, number in made["versions"].items() if number)
    machine = f"{made['cpu']}, {made['cores']} cores, load {made['load_average']} at the start"
    return f"{machine}; {versions}; {made['date'][:10]}."


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def report(path: Path, content: Mapping[str, Any], text: str) -> None:
    """Write the result as JSON, its tables as Markdown beside it, and print the tables.

    Args:
        path: The JSON file.
        content: The result; `content["environment"]` is what `environment()` returned before the measurement.
        text: The tables, in Markdown.
    """
    write_json(path, content)
    text = f"{text}\n\n{caption(content['environment'])}\n"
    with atomic_path(path.with_suffix(".md")) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
