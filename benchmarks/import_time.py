"""Time of `import tfprune` and `import tfprune.benchmark`, and whether they load TensorFlow or Keras.

Each import happens in a fresh process, the statements taking turns; the time is that of the statement alone, without
the start of Python. One unmeasured round first fills the file cache. Goal: at most 0.2 s, neither TensorFlow nor Keras.

    python benchmarks/import_time.py
"""

from __future__ import annotations

import json
import statistics
from typing import Any

from common import destination, environment, make_parser, markdown, report, run_python

STATEMENTS = ("import tfprune", "import tfprune.benchmark", "import numpy")
FRAMEWORKS = ("tensorflow", "keras", "tf_keras", "numpy")
GOAL = 0.2

CODE = """
import json, sys, time
begin = time.perf_counter()
{statement}
seconds = time.perf_counter() - begin
print(json.dumps([seconds, [name for name in {frameworks!r} if name in sys.modules]]))
"""


def measure(statement: str) -> tuple[float, list[str]]:
    """Return the seconds that a statement takes in a fresh process, and the frameworks it loaded."""
    seconds, loaded = json.loads(run_python(["-c", CODE.format(statement=statement, frameworks=FRAMEWORKS)]))
    return seconds, loaded


def measure_all(repetitions: int) -> list[dict[str, Any]]:
    """Return times and loaded frameworks of every statement."""
    rounds = [[measure(statement) for statement in STATEMENTS] for _ in range(repetitions + 1)][1:]
    return [
        {"statement": statement, "seconds": [seconds for seconds, _ in measured], "loads": measured[0][1]}
        for statement, measured in zip(STATEMENTS, zip(*rounds, strict=True), strict=True)
    ]


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    headers = ["statement", "median, s", "min, s", "goal, s", "runs", f"loads (of {', '.join(FRAMEWORKS)})"]
    rows = [
        [
            f"`{result['statement']}`",
            f"{statistics.median(result['seconds']):.3f}",
            f"{min(result['seconds']):.3f}",
            f"≤ {GOAL}" if "tfprune" in result["statement"] else "",
            len(result["seconds"]),
            ", ".join(result["loads"]) or "none",
        ]
        for result in results
    ]
    return markdown(headers, rows)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=15)
    arguments = parser.parse_args()
    made = environment()
    results = measure_all(2 if arguments.quick else arguments.repetitions)
    report(destination(arguments, "import_time"), {"environment": made, "results": results}, table(results))


if __name__ == "__main__":
    main()
