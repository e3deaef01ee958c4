"""Which convolutions older runtimes compute wrong, and whether `tfprune.lint` knows them.

Each is a network of its own, in several precisions; several versions of ai-edge-litert, which are fetched into
--packages once, run it with XNNPACK, as they do by default, and what they compute is compared with Keras.

    python benchmarks/older_runtimes.py --packages /tmp/runtimes
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

VERSIONS = ("1.2.0", "1.4.0", "2.0.3", "2.1.6", "2.2.0", "2.3.0")
CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "3 × 3, strides of 4, 8 × 8 inputs": ("Conv2D", {"kernel_size": 3, "strides": 4}, (8, 8, 8)),
    "the same, 9 × 9 inputs": ("Conv2D", {"kernel_size": 3, "strides": 4}, (9, 9, 8)),
    "the same, padding 'valid'": ("Conv2D", {"kernel_size": 3, "strides": 4, "padding": "valid"}, (8, 8, 8)),
    "2 × 2, strides of 3, 9 × 9 inputs": ("Conv2D", {"kernel_size": 2, "strides": 3}, (9, 9, 8)),
    "2 × 2, strides of 2, 8 × 8 inputs": ("Conv2D", {"kernel_size": 2, "strides": 2}, (8, 8, 8)),
    "3 × 1, strides of 2, 8 × 8 inputs": ("Conv2D", {"kernel_size": (3, 1), "strides": 2}, (8, 8, 8)),
    "5 × 1, strides of 4, 8 × 8 inputs": ("Conv2D", {"kernel_size": (5, 1), "strides": 4}, (8, 8, 8)),
    "1 × 1, strides of 2, 8 × 8 inputs": ("Conv2D", {"kernel_size": 1, "strides": 2}, (8, 8, 8)),
    "two groups, 3 × 3, strides of 4": ("Conv2D", {"kernel_size": 3, "strides": 4, "groups": 2}, (8, 8, 8)),
    "depthwise, 3 × 3, strides of 4": ("DepthwiseConv2D", {"kernel_size": 3, "strides": 4}, (8, 8, 8)),
    "separable, 3 × 3, strides of 4": ("SeparableConv2D", {"kernel_size": 3, "strides": 4}, (8, 8, 8)),
    "one dimension, 3, strides of 4": ("Conv1D", {"kernel_size": 3, "strides": 4}, (8, 8)),
    "transposed, 2 × 2, strides of 3": ("Conv2DTranspose", {"kernel_size": 2, "strides": 3}, (4, 4, 8)),
    "max pooling, 2 × 2, strides of 3": ("MaxPooling2D", {"pool_size": 2, "strides": 3}, (9, 9, 8)),
}
PRECISIONS = ("float32", "float16", "dynamic", "int8")
TOLERANCE = 0.1
"""A difference of more than this part of the output's range is wrong; 8-bit weights make 0.01."""

CHILD = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
worst = {}
for path in sys.argv[1:]:
    given = np.load(path + ".npz")
    runner = Interpreter(path)
    runner.allocate_tensors()
    found = []
    for x in given["x"]:
        runner.set_tensor(runner.get_input_details()[0]["index"], x[None])
        runner.invoke()
        found.append(runner.get_tensor(runner.get_output_details()[0]["index"])[0])
    worst[path] = float(np.abs(np.stack(found) - given["y"]).max() / np.ptp(given["y"]))
print(json.dumps(worst))
"""


def fetched(version: str, packages: Path) -> Path:
    """Return the folder of a version of the runtime."""
    folder = packages / version
    if not (folder / "ai_edge_litert").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*pip, f"ai-edge-litert=={version}"], check=True)
    return folder


def write(name: str, folder: Path) -> dict[str, Any]:
    """Write a network in each precision, with what Keras computes; return what is said of it, and the files."""
    import keras
    import numpy as np

    import tfprune

    kind, options, shape = CASES[name]
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    given = {"padding": "same", **options} | ({} if "Pool" in kind or "Depth" in kind else {"filters": 8})
    model = keras.Model(inputs, getattr(keras.layers, kind)(**given)(inputs))
    x = np.random.default_rng(0).normal(size=(64, *shape)).astype("float32")
    files, told = {}, set()
    for precision in PRECISIONS:
        path = folder / f"{len(list(folder.iterdir()))}.tflite"
        made = tfprune.to_tflite(
            model, path, quantize=None if precision == "float32" else precision, representative_data=x, verify=False
        )
        told |= {any(one.kind == "older" for one in tfprune.lint(path).findings)}
        told |= {any("LiteRT 2.2" in note for note in made.notes)}
        np.savez(f"{path}.npz", x=x[:8], y=np.asarray(model(x[:8])))
        files[precision] = str(path)
    if len(told) > 1:
        raise SystemExit(f"{name}: lint, or the notes of an export, tell it in some precisions only.")
    return {"network": name, "told": told == {True}, "files": files}


def run(version: str, files: list[str], packages: Path) -> dict[str, float]:
    """Return how far a version's outputs are from Keras', by file."""
    settings = {**os.environ, "PYTHONPATH": str(fetched(version, packages))}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *files], capture_output=True, text=True, env=settings, check=False
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"ai-edge-litert {version} ended with {done.returncode}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="folder for the runtimes; filled if it is empty")
    arguments = parser.parse_args()
    path = destination(arguments, "older_runtimes")
    versions = VERSIONS[-3:-1] if arguments.quick else VERSIONS
    with tempfile.TemporaryDirectory() as folder:
        results = [write(name, Path(folder)) for name in list(CASES)[: 3 if arguments.quick else None]]
        files = [file for one in results for file in one["files"].values()]
        seen = {version: run(version, files, arguments.packages.resolve()) for version in versions}
    for one in results:
        kinds = one.pop("files")
        one["differences"] = {v: {kind: found[kinds[kind]] for kind in kinds} for v, found in seen.items()}
        one["wrong"] = [v for v, found in one["differences"].items() if max(found.values()) > TOLERANCE]
        one["wrong in each"] = [v for v, found in one["differences"].items() if min(found.values()) > TOLERANCE]
    content = {"environment": environment(), "versions": versions, "precisions": PRECISIONS, "results": results}
    rows = [
        [
            one["network"], *("wrong" if version in one["wrong"] else "right" for version in versions),
            "yes" if one["told"] else "no",
        ]
        for one in results
    ]  # fmt: skip
    report(path, content, markdown(["padding 'same'", *versions, "lint tells"], rows))


if __name__ == "__main__":
    main()
