"""`python -m tfprune.benchmark a.tflite b.tflite`: the benchmark without the rest of tfprune."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tfprune.benchmark.command import measure
from tfprune.errors import InputError, TfpruneError

__all__ = ["main"]

_FAILED, _BAD_INPUT, _INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the models named on the command line and print the report.

    Args:
        arguments: The words after the command; None for those of this process.

    Returns:
        0; 2 if a file or an option can't be used, 1 if a model can't be run, 130 after Ctrl-C.
    """
    options = vars(_parser().parse_args(arguments))
    as_json = options.pop("json")
    try:
        report = measure(options.pop("models"), **options)
    except TfpruneError as error:
        print(f"error: {error}", file=sys.stderr)
        return _BAD_INPUT if isinstance(error, InputError) else _FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    print(report.to_json() if as_json else report)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tfprune.benchmark",
        description="Measure .tflite models; several take turns and are compared with the first.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a .tflite file")
    parser.add_argument("--threads", default="1", help="threads of the interpreter; several side by side: 1,2,4")
    parser.add_argument("--no-delegate", action="store_true", help="without XNNPACK")
    parser.add_argument("--both-delegates", action="store_true", help="with and without XNNPACK, side by side")
    parser.add_argument("--interpreter", help="ai-edge-litert, tflite-runtime, tensorflow; several with commas; all")
    parser.add_argument("--layers", action="store_true", dest="per_layer", help="time single layers of one model")
    parser.add_argument("--points", type=int, help="at most so many parts, for --layers")
    parser.add_argument("--adb", action="store_true", help="on an Android phone behind adb")
    parser.add_argument("--device", help="serial of the phone, for --adb")
    parser.add_argument("--benchmark-model", help="LiteRT's benchmark_model: a file here, or a path on the phone")
    parser.add_argument("--runs", type=int, default=50, help="inferences to measure, at least")
    parser.add_argument("--warmup", type=int, default=1, help="inferences before that, at least")
    parser.add_argument("--min-seconds", type=float, default=1.0, help="time to measure each model, at least")
    parser.add_argument("--max-seconds", type=float, default=150.0, help="time to measure each model, at most")
    parser.add_argument("--warmup-seconds", type=float, default=0.5, help="time of the warm-up, at least")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds that one inference may take")
    parser.add_argument("--seed", type=int, default=0, help="of the made-up inputs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
