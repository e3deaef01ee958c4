"""Torch-Pruning on the networks, weights and images of resnet_cifar10.py: all its criteria, in one shot and fine-tuned.

The networks are rebuilt in PyTorch from the weights of the Keras models, checked to give the same logits, and pruned to
1 ÷ 1.5, 2.1, 2.57 and 4 of their multiply-accumulates, or just below. Criteria that want gradients get labelled images.
Where Torch-Pruning crashes on the shortcut (a slice and a padding of channels), it gets the same network with a 1 × 1
convolution that computes the same. Each result is written at once; the same command continues where it was stopped.

Torch-Pruning needs a Python with torch. It is made once, anywhere (the CPU build of torch is enough):

    python -m venv torch_env && torch_env/bin/pip install torch torch-pruning numpy
    python benchmarks/resnet_cifar10_torch_pruning.py --data-dir … --torch-python torch_env/bin/python
    python benchmarks/resnet_cifar10_torch_pruning.py --data-dir … --torch-python … --epochs 10 --best
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import FOLDER, destination, environment, make_parser, markdown, report, write_json
from resnet_cifar10 import NETWORKS, RATE, RATIOS, Images, certainty, spread, training_of, trainings_in

BLOCKS = {"resnet56_cifar10": 9, "resnet20_cifar10": 3}
SAMPLES = 1024


def criterion(importance: str, needs: str | None = None, **options: Any) -> dict[str, Any]:
    """Return a class of `torch_pruning.importance`, what it needs of labelled images, and its arguments."""
    return {"importance": f"{importance}Importance", "needs": needs, "options": options}


CRITERIA = {
    "L1": criterion("Magnitude", p=1),
    "L1 of a group's first layer": criterion("Magnitude", p=1, group_reduction="first", normalizer=None),
    "L2": criterion("Magnitude", p=2),
    "L2 ÷ largest": criterion("Magnitude", p=2, normalizer="max"),
    "L2, raw": criterion("Magnitude", p=2, normalizer=None),
    "FPGM": criterion("FPGM"),
    "BN scale": criterion("BNScale"),
    "BN scale, raw": criterion("BNScale", normalizer=None),
    "LAMP": criterion("LAMP"),
    "Taylor": criterion("Taylor", "gradients"),
    "Taylor, raw": criterion("Taylor", "gradients", normalizer=None),
    "Hessian": criterion("Hessian", "samples"),
    "Hessian, all samples": criterion("Hessian", "squares"),
    "Hessian, all samples, raw": criterion("Hessian", "squares", normalizer=None),
    "OBD-C": criterion("OBDC", "fisher", num_classes=10),
    "OBD-C, mended": criterion("OBDC", "fisher, mended", num_classes=10),
    "OBD-C, mended, raw": criterion("OBDC", "fisher, mended", num_classes=10, normalizer=None),
    "random": criterion("Random"),
}
"""Scores are divided by their mean in each group, Torch-Pruning's default, unless they are raw.

Two don't work as they are documented; they are also given with that mended (in torch_pruning_child.py)."""

SCOPES: dict[str, dict[str, Any]] = {
    "local": {"inside": False, "options": {}},
    "global": {"inside": False, "options": {"global_pruning": True}},
    "isomorphic": {"inside": False, "options": {"global_pruning": True, "isomorphic": True}},
    "local, inside blocks": {"inside": True, "options": {}},
    "global, inside blocks": {"inside": True, "options": {"global_pruning": True}},
}
"""Where scores are compared; inside of blocks, nothing that is added to a shortcut is pruned."""

STEPS = (1, 400)
SEEDS = {"random": (0, 1, 2)}
ONE_STEP = ("Hessian", "OBD-C", "OBD-C, mended", "OBD-C, mended, raw", "random")
"""Not done in steps: one sample's gradient, matrices that each step would need anew, chance."""

ASK_VERSIONS = """
import importlib.metadata, json, platform, torch, torch_pruning
versions = {name: importlib.metadata.version(name) for name in ("torch", "torch-pruning", "numpy")}
print(json.dumps({"python": platform.python_version(), **versions}))
"""


def torch_versions(python: str) -> dict[str, str]:
    """Return the versions in the Python that has torch.

    Raises:
        SystemExit: If it has not; with how to make one that has.
    """
    try:
        done = subprocess.run([python, "-W", "ignore", "-c", ASK_VERSIONS], capture_output=True, text=True, check=False)
        said = done.stderr.strip()
    except OSError as error:
        done, said = None, str(error)
    if done is None or done.returncode:
        raise SystemExit(
            f"{python} can't import torch and torch_pruning:\n{said}\nMake a Python that can, and give it as "
            "--torch-python: python -m venv torch_env && torch_env/bin/pip install torch torch-pruning numpy"
        )
    return json.loads(done.stdout)


def write_arrays(path: Path, folder: Path, network: str, images: Images) -> float:
    """Write the weights of both forms of a network, its logits, and the images; return the accuracy."""
    import keras

    arrays: dict[str, Any] = {name: getattr(images, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    for variant, name in (("padding", network), ("projection", f"{network}_proj")):
        model = keras.models.load_model(folder / f"{name}.keras")
        arrays |= {f"{variant}/{weight.path}": weight.numpy() for weight in model.weights}
        arrays[f"logits_{variant}"] = model.predict(images.x_test, batch_size=256, verbose=0)
        rescaling = model.get_layer("normalize")
        arrays["scale"], arrays["offset"] = (images.x_test.dtype.type(v) for v in (rescaling.scale, rescaling.offset))
    import numpy as np

    np.savez(path, **arrays)
    return float((arrays["logits_padding"].argmax(axis=1) == images.y_test).mean() * 100)


def key(result: dict[str, Any]) -> tuple[Any, ...]:
    """Return what makes a result that result."""
    return tuple(result[name] for name in ("network", "criterion", "scope", "steps", "seed", "wanted"))


def all_settings(network: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the settings that were asked for, with all ratios."""
    settings = []
    for steps in arguments.steps:
        for name in arguments.criteria:
            for scope in arguments.scopes:
                same = CRITERIA[name]["options"].get("normalizer", "mean") in (None, "max") and "first" not in name
                if (steps > 1 and name in ONE_STEP) or (same and scope.startswith("local")):
                    continue  # what divides all scores of a group changes nothing within it
                for seed in SEEDS.get(name, (0,)):
                    setting = {"network": network, "criterion": name, "scope": scope, "steps": steps, "seed": seed}
                    settings.append({**setting, "ratios": list(arguments.ratios)})
    return settings


def best(results: list[dict[str, Any]], network: str, wanted: float) -> dict[str, Any] | None:
    """Return the most accurate network of a ratio, before fine-tuning."""
    found = [r for r in results if r["network"] == network and r["wanted"] == wanted and r["accuracy"] is not None]
    return max(found, key=lambda r: r["accuracy"], default=None)


def missing(content: dict[str, Any], network: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the settings with ratios that have no result yet, as the child wants them."""
    training = training_of(False, arguments.rate)
    done = {key(r) for r in content["results"] if len(r.get(training, [])) >= arguments.epochs or r["accuracy"] is None}
    chosen = None
    if arguments.best:
        tops = [best(content["results"], network, wanted) for wanted in arguments.ratios]
        chosen = {key(top) for top in tops if top}
    settings = []
    for setting in all_settings(network, arguments):
        keys = {ratio: key({**setting, "wanted": ratio}) for ratio in setting["ratios"]}
        ratios = [r for r, k in keys.items() if k not in done and (chosen is None or k in chosen)]
        if ratios:
            options = {
                "criterion_options": CRITERIA[setting["criterion"]],
                "scope_options": SCOPES[setting["scope"]],
                "epochs": arguments.epochs,
                "rate": arguments.rate,
                "training": training,
                "index": len(settings),
            }
            settings.append({**setting, "ratios": ratios, **options})
    return settings


def run_child(python: str, arrays: Path, task: dict[str, Any], take: Callable[[dict[str, Any]], None]) -> None:
    """Run Torch-Pruning in another Python, and take each result as it comes.

    Raises:
        RuntimeError: If the process fails; with the end of what it said.
    """
    script, task_file = FOLDER / "torch_pruning_child.py", arrays.with_name("task.json")
    task_file.write_text(json.dumps(task), encoding="utf-8")
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        command = [python, "-W", "ignore", str(script), str(arrays), str(task_file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as child:
            for line in child.stdout or ():
                if line.startswith("{"):
                    take(json.loads(line))
        if child.returncode:
            said.seek(0)
            raise RuntimeError(f"a child process ended with {child.returncode}:\n{said.read()[-4000:]}")


def run_network(content: dict[str, Any], path: Path, network: str, arguments: argparse.Namespace) -> None:
    """Do what is missing of one network, and write the file after each result."""
    settings, training = missing(content, network, arguments), training_of(False, arguments.rate)
    if not settings:
        return

    def take(result: dict[str, Any]) -> None:
        if "checked" in result:
            content["checks"].setdefault(network, {})[result.pop("checked")] = result
            return
        setting = settings[result.pop("setting")]
        result = {name: setting[name] for name in ("network", "criterion", "scope", "steps", "seed")} | result
        earlier = next((r for r in content["results"] if key(r) == key(result)), {"tuned": []})
        result |= earlier | {name: result[name] for name in (training,) if name in result}  # the same, up to rounding
        content["results"] = [r for r in content["results"] if key(r) != key(result)] + [result]
        write_json(path, content)
        shown = ("network", "criterion", "scope", "steps", "seed", "wanted", "shortcut", "ratio", "accuracy", training)
        print({name: result[name] for name in shown if name in result} | {"crashes": result["crashes"]}, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        arrays, images = Path(folder, "arrays.npz"), Images(arguments.data_dir)
        content["dense"][network] = write_arrays(arrays, arguments.data_dir, network, images)
        content["tested"] = len(images.y_test)
        task = {"settings": settings, "blocks": BLOCKS[network], "samples": content["samples"]}
        run_child(arguments.torch_python, arrays, task, take)


def own_results() -> list[dict[str, Any]]:
    """Return what tfprune's default reached in resnet_cifar10.py, nothing if that was not measured."""
    path = FOLDER / "results" / "resnet_cifar10.json"
    if not path.exists():
        return []
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    return [r for r in results if r["method"] == "obs, greedy"]


def name_of(result: dict[str, Any]) -> str:
    """Return a setting in words."""
    steps = "" if result["steps"] == 1 else f", {result['steps']} steps"
    return f"{result['criterion']}, {result['scope']}{steps}"


def bests(results: list[dict[str, Any]], network: str) -> str:
    """Return the best setting of each ratio beside tfprune's default, as Markdown."""
    rows = []
    for wanted in RATIOS:
        own = [r for r in own_results() if (r["network"], r["wanted"]) == (network, wanted)]
        top = best(results, network, wanted)
        if top:
            cells = [spread([r["refitted"] for r in own]), spread([r["cut"] for r in own])]
            rows.append([f"{wanted}×", *cells, f"{top['accuracy']:.2f}", f"{top['ratio']:.2f}×", name_of(top)])
    headers = ["", "tfprune", "tfprune, not refitted", "Torch-Pruning, best setting", "reached", "which"]
    return markdown(headers, rows)


def table(results: list[dict[str, Any]], network: str) -> str:
    """Return the accuracy of all settings as Markdown, with the ratio that was reached."""
    groups: dict[str, dict[float, list[dict[str, Any]]]] = {}
    for result in sorted((r for r in results if r["network"] == network), key=order):
        groups.setdefault(name_of(result), {}).setdefault(result["wanted"], []).append(result)
    rows = [[name, *(cell(found.get(wanted, [])) for wanted in RATIOS)] for name, found in groups.items()]
    return markdown(["", *(f"{wanted}×" for wanted in RATIOS)], rows)


def order(result: dict[str, Any]) -> tuple[int, ...]:
    """Return where a result stands in the table."""
    return result["steps"], list(CRITERIA).index(result["criterion"]), list(SCOPES).index(result["scope"])


def cell(found: list[dict[str, Any]]) -> str:
    """Return the accuracy of one setting at one ratio."""
    worked = [r for r in found if r["accuracy"] is not None]
    if not worked:
        reasons = [reason for r in found for reason in r["crashes"].values()]
        return "out of reach" if any(r.startswith("OutOfReachError") for r in reasons) else "crash" if found else ""
    mark = "*" if any(r["shortcut"] == "projection" for r in worked) else ""
    reached = sum(r["ratio"] for r in worked) / len(worked)
    return f"{spread([r['accuracy'] for r in worked])}{mark} ({reached:.2f}×)"


def crashes(results: list[dict[str, Any]], network: str) -> str:
    """Return how many results crashed with each form of the shortcut, and how."""
    of_network = [r for r in results if r["network"] == network]
    lines = []
    for shortcut in ("padding", "projection"):
        said = [r["crashes"][shortcut] for r in of_network if shortcut in r["crashes"]]
        errors = Counter(error for error in said if not error.startswith("OutOfReachError"))
        if errors:
            shown = "; ".join(f"{count} × `{error}`" for error, count in errors.most_common(4))
            lines.append(f"With the {shortcut} {errors.total()} of {len(of_network)} crashed: {shown}.")
    return " ".join(lines)


def tuned(results: list[dict[str, Any]], training: str, how: str) -> str:
    """Return the accuracies after fine-tuning as Markdown."""
    found = sorted((r for r in results if r.get(training)), key=lambda r: (r["network"], r["wanted"], -r["accuracy"]))
    if not found:
        return ""
    epochs = [n for n in (1, 3, 10) if n <= min(len(r[training]) for r in found)]
    rows = [
        [f"{r['network']}, {r['wanted']}× ({r['ratio']:.2f}×), {name_of(r)}", f"{r['accuracy']:.2f}"]
        + [f"{r[training][n - 1]:.2f}" for n in epochs]
        for r in found
    ]
    headers = ["", "at once", *(f"after epoch {n}" for n in epochs)]
    return f"{how.capitalize()}:\n\n{markdown(headers, rows)}"


def text_of(content: dict[str, Any]) -> str:
    """Return all tables as Markdown."""
    parts, results = [], content["results"]
    for network, whole in content["dense"].items():
        checked = max(check["difference"] for check in content["checks"][network].values())
        parts.append(f"{network}, {whole:.2f} % whole; logits in PyTorch are within {checked:.0e} of Keras:")
        parts += [bests(results, network)]
    parts.append(
        "The best setting is the one that is best on the test images. tfprune sees images without labels, Taylor, "
        f"Hessian and OBD-C the labels of {content['samples']:,} images. Multiply-accumulates are of convolutions and "
        "the dense layer; the ratio that was reached stands in brackets."
    )
    parts += [tuned(results, name, how) for name, how in trainings_in(results).items()]
    for network in content["dense"]:
        parts.append(f"{network}, all settings, not fine-tuned:\n\n{table(results, network)}")
        if any("padding" in r["crashes"] for r in results if r["network"] == network):
            parts.append(f"{crashes(results, network)} * is with the projection instead.")
    versions = ", ".join(f"{name} {number}" for name, number in content["torch_versions"].items())
    parts += [certainty(content), f"Torch-Pruning's Python: {versions}."]
    return "\n\n".join(part for part in parts if part)


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="where the networks and images are")
    parser.add_argument("--torch-python", required=True, help="a Python that has torch and torch-pruning")
    parser.add_argument("--networks", nargs="+", default=["resnet56_cifar10"], choices=NETWORKS)
    parser.add_argument("--criteria", nargs="+", default=list(CRITERIA), choices=list(CRITERIA))
    parser.add_argument("--scopes", nargs="+", default=list(SCOPES), choices=list(SCOPES))
    parser.add_argument("--steps", nargs="+", type=int, default=list(STEPS), help="of pruning, from whole to nothing")
    parser.add_argument("--ratios", nargs="+", type=float, default=list(RATIOS), choices=RATIOS)
    parser.add_argument("--epochs", type=int, default=0, help="epochs of fine-tuning")
    parser.add_argument("--rate", type=float, default=RATE, help="the learning rate that it begins with")
    parser.add_argument("--best", action="store_true", help="only the setting that is best so far, for each ratio")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.networks, arguments.criteria, arguments.ratios = ["resnet20_cifar10"], ["L2", "Taylor"], [2.1]
        arguments.scopes, arguments.steps = ["global", "global, inside blocks"], [1]
    return arguments


def main() -> None:
    arguments = parse()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    versions = torch_versions(arguments.torch_python)
    path = destination(arguments, "resnet_cifar10_torch_pruning")
    content: dict[str, Any] = {"environment": environment(), "torch_versions": versions, "samples": SAMPLES}
    content |= {"dense": {}, "checks": {}, "results": []}
    if path.exists() and not arguments.quick:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["torch_versions"] != versions:
            raise SystemExit(f"{path} was measured with {content['torch_versions']}; give another --out.")
    for network in arguments.networks:
        run_network(content, path, network, arguments)
    report(path, content, text_of(content))


if __name__ == "__main__":
    main()
