"""The properties that hypothesis tries to break, with many times the examples that `make test` draws.

Random graphs, masks, schedules, budgets, recipes, files: each test says what must hold for any of them. An example that
breaks it is shrunk to the smallest that does, and printed.

    python tests/attacks/properties.py --times 20 --log counts.json
    python tests/attacks/properties.py tests/graph --times 200         # of this folder only
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
    told = run(arguments.folders, arguments.times)
    print(json.dumps(told, indent=1))
    if arguments.log:
        arguments.log.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if told["wrong"]:
        raise SystemExit(f"Broken: {', '.join(told['wrong'])}")


if __name__ == "__main__":
    main()
