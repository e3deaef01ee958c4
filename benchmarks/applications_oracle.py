"""Measure tracing and shrinking on every model of keras.applications: exactness, time, memory, loading, TFLite.

Each model runs in a process of its own, with random weights: groups are found, 30 to 50 % of the channels of every
exact group are cut out, and the result is compared with the whole model in which all that goes with them is zero. Each
result is written at once; the same command continues where it was stopped. Seconds are of CPU time. "Outputs vary by"
says how much they differ between inputs, relative to their scale: where that is nothing, the comparison shows nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import FOLDER, ROOT, child_environment, destination, environment, make_parser, markdown, report, write_json

sys.path.insert(0, str(ROOT / "tests" / "graph"))

QUICK = ("MobileNetV2", "ResNet50V2", "DenseNet121")
SIZE = 96
METHOD = 4
"""Results of another method are measured anew."""
ALONE = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tfprune":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
with np.load(sys.argv[2]) as arrays:
    inputs = {name[3:]: arrays[name] for name in arrays.files if name.startswith("in:")}
    expected = [arrays[f"out:{n}"] for n in range(len(arrays.files) - len(inputs))]
got = keras.tree.flatten(model(inputs if len(inputs) > 1 else next(iter(inputs.values()))))
assert "tfprune" not in sys.modules
print(max(float(np.abs(np.asarray(a) - b).max() / max(np.abs(b).max(), 1e-12)) for a, b in zip(got, expected)))
"""
"""Loads a model where tfprune can't be imported, and prints how far its outputs are from the expected ones."""


def applications() -> list[str]:
    """Return the names of all models of keras.applications, in alphabetical order."""
    import keras

    return sorted(
        name
        for name, item in vars(keras.applications).items()
        if callable(item) and name[0].isupper() and not isinstance(item, type)
    )


def build(name: str) -> Any:
    """Return one of them, with its head and without its softmax."""
    import keras

    return getattr(keras.applications, name)(weights=None, input_shape=(SIZE, SIZE, 3), classifier_activation=None)


def images(model: Any, seed: int = 0, batch: int = 2) -> Any:
    """Return random images of pixels from about 0 to 255 that differ in colour and contrast.

    Some of the networks divide them by 255 first: smaller values would vanish beside the epsilon of normalisations.
    """
    import keras
    from oracle import random_inputs

    return keras.tree.map_structure(lambda x: 128 + 48 * x, random_inputs(model, seed, batch))


def peak_memory() -> float | None:
    """Return the largest resident size of this process so far in MB, None where the system doesn't say."""
    path = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", path.read_text()) if path.exists() else None
    return round(int(found.group(1)) / 1024, 1) if found else None


def warm_up() -> None:
    """Trace and shrink something small, so that no import is timed."""
    import keras

    from tfprune.surgery import shrink

    shrink(keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1, name="c")]), {})


def measure(make: Callable[[], Any], folder: Path | None, *, inputs_of: Callable[..., Any] = images) -> dict[str, Any]:
    """Return what tracing and shrinking a model costs and whether the result is right.

    Args:
        make: Returns the model.
        folder: Where to keep files while they are needed; None leaves out saving and converting.
        inputs_of: Returns inputs for a model, given a seed and the size of the batch; images by default.
    """
    from oracle import choose, scramble

    from tfprune.errors import ExportError
    from tfprune.graph import trace
    from tfprune.surgery import cut_graph

    model = scramble(make())
    warm_up()
    result: dict[str, Any] = {"method": METHOD, "memory_before": peak_memory()}
    begin = time.process_time()
    graph = trace(model)
    groups = graph.groups
    result["trace_seconds"] = time.process_time() - begin
    chosen = choose(graph)
    begin = time.process_time()
    small = cut_graph(graph, chosen)
    result |= {
        "shrink_seconds": time.process_time() - begin,
        "memory": peak_memory(),
        "operations": len(graph.nodes),
        "groups": len(groups),
        "prunable": len(graph.prunable),
        "inexact": sum(group.inexact is not None for group in graph.prunable),
        "kept": dict(Counter(general(group.reason) for group in groups if group.reason).most_common()),
        "opaque": {node.path: node.opaque for node in graph.opaque},
        "kinds": dict(Counter(group.kind for group in graph.prunable)),
        "parameters": model.count_params(),
        "parameters_after": small.count_params(),
        "stock": all(type(layer).__module__.startswith("keras.") for layer in small._flatten_layers()),
    }
    del small
    small, inputs, result["error_float32"], result["liveliness"] = oracle(model, graph, chosen, inputs_of)
    del graph, model
    result["error"] = error_float64(make, inputs_of)
    if folder is not None and result["stock"]:
        try:
            result["alone_error"] = load_alone(small, inputs, small(inputs), folder)
        except RuntimeError as error:  # a function, such as an activation, may not be of Keras
            result |= {"stock": False, "alone_failed": str(error)}
    if folder is not None:
        try:
            result["tflite_error"] = convert(small, inputs, folder)
        except ExportError as error:
            result["tflite_failed"] = str(error).splitlines()[0]
    return result


def oracle(model: Any, graph: Any, chosen: Any, inputs_of: Callable[..., Any]) -> tuple[Any, Any, float, float]:
    """Return a model cut down, inputs, how far it is from the whole one with zeros, how much outputs vary.

    The statistics of batch normalisations are those of what they see, or signals would die out or grow on the way.
    """
    import keras
    from oracle import difference, enliven, liveliness, zero

    from tfprune.surgery import cut_graph

    many = inputs_of(model, batch=8)
    inputs = keras.tree.map_structure(lambda x: x[:2], many)
    enliven(model, graph, chosen, many)
    small = cut_graph(graph, chosen)
    got = small(inputs, training=False)
    zero(graph, chosen)
    expected = model(inputs, training=False)
    return small, inputs, difference(expected, got), liveliness(expected)


def error_float64(make: Callable[[], Any], inputs_of: Callable[..., Any]) -> float | None:
    """Return how far a model of float64 cut down is from the whole one with zeros; None if it can't be of float64."""
    from oracle import choose, double, scramble

    from tfprune.graph import trace

    with double():
        try:
            model = scramble(make())
            inputs = inputs_of(model)
            model(inputs)
        except TypeError:
            return None
        graph = trace(model)
        return oracle(model, graph, choose(graph), inputs_of)[2]


def general(reason: str) -> str:
    """Return a reason with the names of layers left out, to count."""
    return re.sub(r"(?<![\w'])[\w./]*(?:[/_]\w*|\d)(?![\w'])", "…", reason)


def load_alone(model: Any, inputs: Any, outputs: Any, folder: Path) -> float:
    """Save a model, load it where there is no tfprune, and return the relative difference of its outputs."""
    import keras
    import numpy as np

    names = [tensor.name for tensor in model.inputs]
    arrays = {f"in:{name}": array for name, array in zip(names, keras.tree.flatten(inputs), strict=True)}
    arrays |= {f"out:{n}": np.asarray(array) for n, array in enumerate(keras.tree.flatten(outputs))}
    np.savez(folder / "data.npz", **arrays)
    model.save(folder / "small.keras")
    command = [sys.executable, "-c", ALONE, str(folder / "small.keras"), str(folder / "data.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=child_environment())
    (folder / "small.keras").unlink()
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout.split()[-1])


def convert(model: Any, inputs: Any, folder: Path) -> float:
    """Convert a model to TFLite, run the file, and return the largest difference, relative to the outputs' scale."""
    import keras

    from tfprune import to_tflite

    arrays = keras.tree.flatten(inputs)
    data = arrays[0] if len(arrays) == 1 else dict(zip([x.name for x in model.inputs], arrays, strict=True))
    result = to_tflite(model, folder / "small.tflite", parity_data=data, overwrite=True)
    assert result.parity is not None
    return result.parity.relative


def one(name: str, folder: Path) -> dict[str, Any]:
    """Return the result of one model; runs in a process of its own."""
    result = {"name": name}
    try:
        return result | measure(lambda: build(name), folder)
    except Exception as error:
        return result | {"failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}"}


def run_all(names: list[str], script: str, path: Path, content: dict[str, Any], show: Callable[[Any], str]) -> None:
    """Measure those that have no result yet, each in a process of its own, and write the file after each."""
    done = {result["name"] for result in content["results"]}
    for name in names:
        if name in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, script, "--one", name, "--folder", folder]
            child = subprocess.run(command, capture_output=True, text=True, check=False, env=child_environment())
        lines = child.stdout.strip().splitlines()
        if child.returncode or not lines:
            said = child.stderr.strip().splitlines()
            result = {"name": name, "failed": f"the process ended with {child.returncode}: {said[-1] if said else ''}"}
        else:
            result = json.loads(lines[-1])
        content["results"].append(result)
        content["results"].sort(key=lambda entry: entry["name"])
        write_json(path, content)
        print(show(result), flush=True)


def start(path: Path) -> dict[str, Any]:
    """Return what an earlier run has written, or the beginning of a new result."""
    if path.exists():
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content["results"] = [result for result in content["results"] if result.get("method") == METHOD]
        return content
    return {"environment": environment(), "results": []}


def line(result: dict[str, Any]) -> str:
    """Return a result in a line."""
    if "failed" in result:
        return f"{result['name']}: {result['failed']}"
    return (
        f"{result['name']}: {result['operations']} operations, {result['prunable']}/{result['groups']} groups, "
        f"trace {result['trace_seconds']:.2f} s, shrink {result['shrink_seconds']:.1f} s, error {result['error']:.1e}"
        + (f", TFLite {result['tflite_error']:.1e}" if "tflite_error" in result else "")
    )


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    headers = [
        "model", "operations", "groups", "prunable (of these inexact)", "kept", "trace + groups [CPU s]",
        "shrink [CPU s]",
        "peak memory [MB]", "of which tracing and shrinking", "parameters [M]", "after",
        "oracle error, float64", "float32", "outputs vary by",
        "loaded without tfprune", "TFLite",
    ]  # fmt: skip
    rows = []
    for r in results:
        if "failed" in r:
            rows.append([r["name"], r["failed"], *[""] * (len(headers) - 2)])
            continue
        alone = f"{r['alone_error']:.1e}" if "alone_error" in r else r["alone_failed"]
        rows.append([
            r["name"], r["operations"], r["groups"], f"{r['prunable']} ({r['inexact']})", sum(r["kept"].values()),
            f"{r['trace_seconds']:.2f}", f"{r['shrink_seconds']:.2f}", f"{r['memory']:.0f}",
            f"{r['memory'] - r['memory_before']:.0f}", f"{r['parameters'] / 1e6:.2f}",
            f"{r['parameters_after'] / 1e6:.2f}", f"{r['error']:.1e}",
            f"{r['error_float32']:.1e}", f"{r['liveliness']:.2f}", alone,
            f"{r['tflite_error']:.1e}",
        ])  # fmt: skip
    return markdown(headers, rows) + "\n\nWhy groups are kept:\n\n" + reasons(results)


def reasons(results: list[dict[str, Any]]) -> str:
    """Return how often each reason keeps a group, as Markdown."""
    total: Counter[str] = Counter()
    models: Counter[str] = Counter()
    for result in results:
        total.update(result.get("kept", {}))
        models.update(dict.fromkeys(result.get("kept", {}), 1))
    rows = [[reason, count, models[reason]] for reason, count in total.most_common()]
    return markdown(["reason", "groups", "models"], rows)


def verdict(results: list[dict[str, Any]]) -> str:
    """Return in one sentence what holds."""
    good = [r for r in results if "failed" not in r]
    if not good:
        return "No model has been measured."
    slow = [r["name"] for r in good if r["trace_seconds"] > 1]
    dead = [r["name"] for r in good if r["liveliness"] < 1e-3]
    worst = {
        key: max(r.get(key, 0) for r in good) for key in ("error", "error_float32", "alone_error", "trace_seconds")
    }
    return (
        f"{sum(r['error'] < 1e-9 for r in good)} of {len(results)} within 1e-9 in float64 (largest error "
        f"{worst['error']:.1e}), {sum(r['error_float32'] < 1e-5 for r in good)} within 1e-5 in float32 (largest "
        f"{worst['error_float32']:.1e}); trace and groups take {worst['trace_seconds']:.2f} s at most"
        f"{', over 1 s: ' + ', '.join(slow) if slow else ''}; {sum('alone_error' in r for r in good)} loaded without "
        f"tfprune, {sum(r.get('alone_error', 1) < 1e-5 for r in good)} within 1e-5 (largest "
        f"{worst['alone_error']:.1e}); outputs depend on inputs in {len(good) - len(dead)}"
        f"{', not in ' + ', '.join(dead) if dead else ''}."
    )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--models", nargs="+", help="some of them instead of all")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.folder)))
        return
    path = destination(arguments, "applications_oracle")
    content = start(path)
    names = list(QUICK) if arguments.quick else applications()
    run_all(arguments.models or names, str(FOLDER / "applications_oracle.py"), path, content, line)
    done = {result["name"] for result in content["results"]}
    missing = [name for name in names if name not in done]
    note = f" Not measured yet: {', '.join(missing)}." if missing else ""
    report(path, content, f"{table(content['results'])}\n\n{verdict(content['results'])}{note}")


if __name__ == "__main__":
    main()
