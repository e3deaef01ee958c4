"""The properties that hypothesis tries to break, with many times the examples that `make test` draws.

Random graphs, masks, schedules, budgets, recipes, files: each test says what must hold for any of them. An example that
breaks it is shrunk to the smallest that does, and printed.

    python tests/attacks/properties.py --times 20 --log counts.json
    python tests/attacks/properties.py tests/graph --times 200         # of this folder only

A run that is stopped goes on with the file where it was, as its log says.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tfprune.files import write_atomically  # noqa: E402

HEAD = re.compile(r"^(\S*::.+):$", re.MULTILINE)
PHASE = re.compile(r"(\d+) passing(?: examples?)?, (\d+) failing")


def counted(said: str) -> dict[str, int]:
    """Return how many examples passed or failed in each test, from the statistics that hypothesis prints."""
    places = [*HEAD.finditer(said)]
    ends = [*(place.start() for place in places), len(said)][1:]
    found = {}
    for place, end in zip(places, ends, strict=True):
        phases = PHASE.findall(said[place.end() : end])
        found[place[1]] = sum(int(number) for phase in phases for number in phase)
    return found


def files_in(folders: list[str]) -> list[str]:
    """Return the files that have such tests."""
    command = [sys.executable, "-m", "pytest", "-qq", "--collect-only", "-m", "hypothesis", "-c", "setup.cfg"]
    done = subprocess.run(
        [*command, "-W", "ignore", *folders], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    found = re.findall(r"^(\S+\.py)(?:::|: \d)", done.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(f"There are no such tests (exit code {done.returncode}):\n{done.stdout[-3000:]}")
    return sorted(set(found))


def run(folders: list[str], times: int, seconds: float | None = None) -> dict[str, Any]:
    """Run the tests with so many times the examples; return what they tried, and which failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "hypothesis", "-c", "setup.cfg", "-W", "ignore"]
    done = subprocess.run(
        [*command, "--hypothesis-show-statistics", *folders],
        env={**os.environ, "EXAMPLES": str(times)}, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, timeout=seconds,
    )  # fmt: skip
    tests = counted(done.stdout)
    wrong = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if not tests or (done.returncode and not wrong):
        raise SystemExit(f"The tests could not be run (exit code {done.returncode}):\n{done.stdout[-3000:]}")
    if wrong:
        print(done.stdout)
    return {"times": times, "tests": len(tests), "tried": sum(tests.values()), "wrong": wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", default=["tests"], help="where the tests are")
    parser.add_argument("--times", type=int, default=20, help="so many times the examples of make test")
    parser.add_argument("--log", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    log, parts = arguments.log, {}
    if log and log.exists():
        before = json.loads(log.read_text(encoding="utf-8"))
        parts = before.get("parts", {}) if before["times"] == arguments.times else {}
    files = files_in(arguments.folders)
    for number, file in enumerate(files, 1):
        if file not in parts:
            parts[file] = run([file], arguments.times)
            print(f"{number} of {len(files)}: {file}: {parts[file]['tried']:,} examples", flush=True)
        told = summed({name: parts[name] for name in files if name in parts}, arguments.times)
        if log:
            more = {} if number == len(files) else {"left": len(files) - number, "parts": parts}
            write_atomically(log, json.dumps({**told, **more}, indent=1) + "\n")
    print(json.dumps(told, indent=1))
    if told["wrong"]:
        raise SystemExit(f"Broken: {', '.join(told['wrong'])}")


def summed(parts: dict[str, dict[str, Any]], times: int) -> dict[str, Any]:
    """Return what the tests of several files tried, and which failed."""
    found = parts.values()
    tests, tried = (sum(part[name] for part in found) for name in ("tests", "tried"))
    return {"times": times, "tests": tests, "tried": tried, "wrong": [one for part in found for one in part["wrong"]]}


if __name__ == "__main__":
    main()
