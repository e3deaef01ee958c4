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


def tflite_files(found: Any) -> str:
    """Return what was tried of damaged files."""
    doors = {key.split(", ")[1] for key in found["ends"]}
    kinds = " and ".join(f"{count:,} {way}" for way, count in found["files"].items())
    return f"{kinds} `.tflite` files, {sum(found['ends'].values()):,} times through {len(doors)} doors"


def fuzz(found: Any) -> str:
    """Return what was tried of fuzzed inputs."""
    inputs = ", ".join(f"{one['tried']:,} for {one['reader']}" for one in found)
    return f"inputs, {found[0]['seconds']} s for each reader: {inputs}"


def properties(found: Any) -> str:
    """Return what was tried of properties."""
    left = f"; {found['left']} files of tests are left" if "left" in found else ""
    return f"{found['tried']:,} examples of {found['tests']} tests{left}"


def kills(found: Any) -> str:
    """Return what was tried of work that was killed."""
    told = []
    for one in found:
        if "at" in one:
            continue  # it was stopped, and goes on
        told.append(f"{one['work']}: {one['killed']:,} kills at any moment")
        if one["killed before a change"]:
            told[-1] += (
                f", {one['killed before a change']:,} before a change of files, {one['change failed']:,} changes that "
                f"failed, {one['full disk']:,} full disks"
            )
    return "; ".join(told)


def soak(found: Any) -> str:
    """Return what was tried of work over and over."""
    ours, theirs = found["grown in a round"], found["without tfprune"]["grown in a round"]
    return (
        f"{found['rounds']:,} rounds of prune, cut, export, benchmark: {ours['MB']:.2f} MB more a round (Keras alone "
        f"{theirs['MB']:.2f}), {ours['files']:.2f} files, {ours['threads']:.2f} threads"
    )


def large(found: Any) -> str:
    """Return what was tried of large models."""
    return f"{len(found)} steps, [told above](#large-models)"


LONG = {
    "tflite_files": (tflite_files, "`tests/attacks/test_tflite_files.py`", "--count 2000"),
    "fuzz": (fuzz, "`tests/attacks/test_fuzz.py`", "--seconds 600"),
    "properties": (properties, "each test marked `hypothesis`", "--times 20"),
    "kills": (kills, "`tests/attacks/test_kills.py`", "--count 200"),
    "soak": (soak, "`tests/attacks/test_soak.py`", "--seconds 3600"),
    "large": (large, "", ""),
}
"""For each long run: what says what it tried, the test that is its short form, and the options of the long one."""


def wrong_in(found: Any) -> str:
    """Return how much went wrong in a run, as far as that was looked for."""
    parts = found if isinstance(found, list) else [found]
    if not all("wrong" in part for part in parts):
        return "only measured"
    return str(sum(len(part["wrong"]) for part in parts))


@figures
def long_runs() -> str:
    rows = []
    for name, (say, short, options) in LONG.items():
        found, known = counted(name), [one for one in counted("mended") if one["attack"].replace(" ", "_") == name]
        mended = sum(bool(one["mended"]) for one in known)
        seen = [str(len(known)), str(mended)] if known or found is not None else ["", ""]
        tried, wrong = ("not run yet", "") if found is None else (say(found), wrong_in(found))
        command = f"`python tests/attacks/{name}.py {options}".strip() + "`"
        rows.append([f"`{name}.py`", tried, *seen, wrong, short, command])
    return markdown(["attack", "tried", "found", "fixed", "wrong in this run", "short form", "long form"], rows)


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
