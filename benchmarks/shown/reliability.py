"""What the long runs of attacks counted, as far as they have been made."""

from __future__ import annotations

import json
from typing import Any

from blocks import figures
from common import ROOT, markdown

COUNTS = ROOT / "tests" / "attacks" / "counts"


def counted(name: str) -> Any:
    """Return what a run wrote; None if there is nothing."""
    path = COUNTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def tflite_files() -> list[list[str]]:
    """Return the row of damaged files."""
    found = counted("tflite_files")
    if found is None:
        return []
    doors = {key.split(", ")[1] for key in found["ends"]}
    passed = sum(found["ends"].values())
    kinds = " and ".join(f"{count:,} {way}" for way, count in found["files"].items())
    tried = f"{kinds} `.tflite` files, {passed:,} times through {len(doors)} doors"
    return [["`tflite_files.py`", tried, f"{len(found['wrong'])}"]]


def fuzz() -> list[list[str]]:
    """Return the row of fuzzed inputs."""
    found = counted("fuzz")
    if found is None:
        return []
    inputs = ", ".join(f"{one['tried']:,} for {one['reader']}" for one in found)
    wrong = sum(len(one["wrong"]) for one in found)
    return [["`fuzz.py`", f"inputs, {found[0]['seconds']} s for each reader: {inputs}", f"{wrong}"]]


def kills() -> list[list[str]]:
    """Return a row for each kind of work that was killed."""
    return [
        [
            f"`kills.py`, {one['work']}",
            f"{one['killed']:,} kills at any moment, {one['killed before a change']:,} just before a change of the "
            f"file system, {one['full disk']:,} full disks",
            f"{len(one['wrong'])}",
        ]
        for one in counted("kills") or []
    ]


def soak() -> list[list[str]]:
    """Return the row of the soak."""
    found = counted("soak")
    if found is None:
        return []
    ours, theirs = found["grown in a round"], found["without tfprune"]["grown in a round"]
    tried = (
        f"{found['rounds']:,} rounds of prune, shrink, export, benchmark: {ours['MB']:.2f} MB more a round (Keras "
        f"alone {theirs['MB']:.2f}), {ours['files']:.2f} files, {ours['threads']:.2f} threads"
    )
    return [["`soak.py`", tried, "0"]]


@figures
def long_runs() -> str:
    rows = [*tflite_files(), *fuzz(), *kills(), *soak()]
    return markdown(["attack", "tried", "went wrong"], rows)


@figures
def mended() -> str:
    rows = [[one["attack"], one["found"], one["mended"]] for one in counted("mended")]
    return markdown(["by", "found", "now"], rows)


@figures
def large_models() -> str:
    steps = {
        "load": "`keras.saving.load_model`, by itself", "prune": "`prune(model, 0.8)`, and saved",
        "cut": "`prune_filters(model, Budget(params=0.5))`, and saved", "export": "`to_tflite(model)`, half of it",
        "convert": "TensorFlow's converter by itself, half of it",
    }  # fmt: skip
    rows = []
    for step, title in steps.items():
        wide, deep = (
            next(one for one in counted("large") if (one["network"], one["step"]) == (kind, step))
            for kind in ("wide", "deep")
        )
        rows.append([title, f"{wide['times its size']:.1f}×", f"{wide['seconds']:.0f}", f"{deep['seconds']:.0f}"])
    sizes = {one["network"]: one for one in counted("large")}
    return (
        f"{sizes['wide']['size'] / 1e6:.0f} million parameters ({sizes['wide']['file MB'] / 1e3:.1f} GB), and a "
        f"residual network of {sizes['deep']['size']:,} layers; each step begins with a file, as yours would. Most "
        "memory is beyond what importing takes, as a multiple of the file (`python tests/attacks/large.py`):\n\n"
        + markdown(["step", "most memory", "seconds", f"seconds, {sizes['deep']['size']:,} layers"], rows)
    )
