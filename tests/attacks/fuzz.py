"""Fuzzing of what reads texts and files of strangers, guided by which code they reach (libFuzzer, by Atheris).

What goes in must come out as a result or as a `TfpruneError` of one printable line. What reaches new code is added to
the corpus, a folder for each reader, and each file of it is read again by `test_fuzz.py`.

    pip install atheris
    python tests/attacks/fuzz.py --seconds 600 --log counts.json      # every reader for so long
    python tests/attacks/fuzz.py --readers tflite --log counts.json   # one anew; the log keeps the others
    python tests/attacks/fuzz.py --readers tflite --keep              # and keep in the repository what reaches new code
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

CORPUS = Path(__file__).with_name("corpus")
SHARED = {"inspection": "tflite", "overlay": "tflite"}
"""Readers of the same kind of file share a corpus."""
LARGEST = 16_384
"""Bytes of an input: small ones reach as much, and quicker."""


def corpus_of(reader: str) -> Path:
    """Return the folder of inputs that a reader begins with."""
    return CORPUS / SHARED.get(reader, reader)


def text_of(content: bytes) -> str:
    """Return bytes as text, as a file's are read."""
    from tfprune.errors import InputError

    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"not a text: {error}") from error


def recipe(content: bytes) -> None:
    from tfprune.recipe import Recipe

    made = Recipe.from_yaml(text_of(content))
    again = Recipe.from_yaml(made.to_yaml())
    if again.get_config() != made.get_config():
        raise AssertionError(f"{made.get_config()} comes back as {again.get_config()}")
    str(made)


def devices(content: bytes) -> None:
    from tfprune.partition import Devices
    from tfprune.plain_yaml import load_yaml

    str(Devices.from_config(load_yaml(text_of(content))))


@contextlib.contextmanager
def file_of(content: bytes) -> Iterator[Path]:
    """Give a file for as long as the block takes."""
    path = Path(tempfile.gettempdir()) / f"fuzz-{os.getpid()}.tflite"
    path.write_bytes(content)
    try:
        yield path
    finally:
        path.unlink()


def tflite(content: bytes) -> None:
    from tfprune.linting import lint

    with file_of(content) as path:
        str(lint(path, "android-cpu"))


def inspection(content: bytes) -> None:
    from tfprune.errors import InputError, one_line
    from tfprune.export.inspection import read, restored

    with file_of(content) as path:
        try:
            answer = json.dumps(read(path))
        except Exception as error:  # as in the process that is made for it
            raise InputError(one_line(f"{type(error).__name__}: {error}")) from error
    str(restored(path, json.loads(answer)))


def overlay(content: bytes) -> None:
    from tfprune.analysis import operation_overlay

    with file_of(content) as path:
        str(operation_overlay(path))


def benchmark(content: bytes) -> None:
    from tfprune.benchmark import LayerReport, Report
    from tfprune.errors import InputError

    text = text_of(content)
    try:
        str(Report.from_json(text))
    except InputError:
        str(LayerReport.from_json(text))


def report(content: bytes) -> None:
    from tfprune.report import Report

    made = Report.from_json(text_of(content))
    made.to_html()
    made.card()


READERS: dict[str, Callable[[bytes], None]] = {
    "recipe": recipe, "devices": devices, "tflite": tflite, "inspection": inspection,
    "overlay": overlay, "benchmark": benchmark, "report": report,
}  # fmt: skip


def read(reader: str, content: bytes) -> str:
    """Return how reading ends: taken or refused.

    Raises:
        BaseException: Whatever else a reader raises, or an AssertionError about a refusal that nobody could read.
    """
    from tfprune.errors import TfpruneError

    try:
        READERS[reader](content)
    except TfpruneError as error:
        text = str(error)
        if not text.isprintable() or len(text) > 2000:
            raise AssertionError(f"no printable line: {text[:300]!r}") from error
        return "refused"
    return "taken"


def fuzz(reader: str, arguments: list[str]) -> None:
    """Let libFuzzer try inputs; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["tfprune", "yaml", "flatbuffers", "ai_edge_litert", "json"]):
        import tfprune  # noqa: F401

        for path in sorted(corpus_of(reader).iterdir()):  # what readers import when they first run
            read(reader, path.read_bytes())
    again = f"{shlex.quote(sys.executable)} {shlex.quote(__file__)} --reader {reader} --"  # for processes of its own
    atheris.Setup([again, *arguments], lambda content: read(reader, content) and None)
    atheris.Fuzz()


def hunt(reader: str, seconds: int, folder: Path, keep: bool) -> dict[str, Any]:
    """Fuzz a reader in a process of its own; return how many inputs it was given and what went wrong."""
    found = folder / reader
    found.mkdir()
    flags = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-timeout=30", "-rss_limit_mb=8192"]
    command = [sys.executable, __file__, "--reader", reader, "--", str(found), str(corpus_of(reader))]
    done = subprocess.run(
        [*command, *flags, f"-artifact_prefix={folder}/{reader}-", "-print_final_stats=1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    tried = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    if keep and not done.returncode:
        merged = folder / f"{reader}-corpus"
        merged.mkdir()
        merge = [*command[:5], "-set_cover_merge=1", "-use_counters=0", f"-max_len={LARGEST}", str(merged), str(found)]
        subprocess.run(merge, check=True, capture_output=True)
        for path in merged.iterdir():
            shutil.copy(path, corpus_of(reader) / path.name)
    return {
        "reader": reader,
        "tried": int(tried[1]) if tried else 0,
        "kept": len(list(found.iterdir())),
        "wrong": [path.name for path in folder.glob(f"{reader}-*-*")],
        "said": verdict(done.stderr) if done.returncode else "",
    }


def verdict(log: str) -> str:
    """Return the line of libFuzzer's log that says how it ended."""
    return next((line.partition("== ")[2] for line in log.splitlines() if "ERROR: " in line), "it ended with an error")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each reader")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--folder", type=Path, help="where what went wrong is kept")
    parser.add_argument("--keep", action="store_true", help="add what reaches new code to the corpus")
    parser.add_argument("--log", type=Path, help="JSON file to write")
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("flags", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader:
        fuzz(arguments.reader, arguments.flags)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="tfprune-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    log, wrong = arguments.log, 0
    told = {one["reader"]: one for one in json.loads(log.read_text(encoding="utf-8"))} if log and log.exists() else {}
    for reader in arguments.readers:
        ended = {"seconds": arguments.seconds, **hunt(reader, arguments.seconds, folder, arguments.keep)}
        told[reader] = ended
        print(f"{reader}: {ended['tried']:,} inputs, {ended['kept']} new ones reach new code, wrong: {ended['wrong']}")
        print(ended["said"], flush=True)
        wrong += len(ended["wrong"]) + bool(ended["said"])
        if log:
            kept = [told[name] for name in READERS if name in told]
            log.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if wrong:
        raise SystemExit(f"What went wrong lies in {folder}.")


if __name__ == "__main__":
    main()
