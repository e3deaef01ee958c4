"""How near strategies of search come to the true optimum, how fast, and what the winner is worth once it is trained.

1. A network with few choices, every plan of which is really made and refitted: the gap of each strategy to the true
   optimum after so many plans.
2. The estimated front of error and latency: its hypervolume after so many plans, and the seconds that takes.
3. The winner after fine-tuning, beside pruning with the same part of every group at equal measured latency.
4. Two workers against one.

Each result is written at once; the same command continues where it was stopped.

    python benchmarks/search.py --data-dir <folder with resnet20_cifar10.keras and its images>
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from factorization import Task
from resnet_cifar10 import spread

NETWORKS = ("fashion_cnn", "resnet20_cifar10")
LIGHT = (
    "random", "greedy", "netadapt", "backtracking", "evolution", "nsga2", "moead", "swarm", "annealing", "progressive",
    "reinforcement",
)  # fmt: skip
HEAVY = ("tpe", "bayesian")
"""These model what they have seen: each plan takes them so long that they look at fewer."""
SEEDS = (0, 1, 2)
SAMPLES = 256
LEVELS = 4
STEPS = (10, 30, 100, 300)
"""The gap is told after so many plans."""
TRIALS = {"light": 1000, "heavy": 100}
PARTS = (25, 100, 250, 1000)
EPOCHS = {"fashion_cnn": 4, "resnet20_cifar10": 4}


def exhaustive(task: Task, content: dict[str, Any], save: Callable[[], None]) -> None:
    """Make every plan of the Fashion-MNIST network with a few numbers of channels for each group, once."""
    from tfprune.cost import Budget
    from tfprune.search import find_plans
    from tfprune.search.making import Maker

    plans, given = find_plans(
        task.model, task.x_train[:SAMPLES], Budget(macs=0.5), choose_from=("channels",), levels=LEVELS, samples=SAMPLES
    )
    maker = Maker(plans.graph, given)
    known = content.setdefault("exhaustive", {})
    points = list(itertools.product(*map(range, plans.space.sizes)))
    for number, point in enumerate(points):
        name = ",".join(map(str, point))
        if name not in known:
            known[name] = maker.likeness(maker.make(plans.plan(point))).error
            if number % 20 == 0:
                save()
    save()
    content["sizes"] = list(plans.space.sizes)
    allowed = [point for point in points if plans.space.allowed(point)]
    best = min(known[",".join(map(str, point))] for point in allowed)
    content["optimum"] = best
    content["gaps"] = [
        {"strategy": name, "seed": seed, **gaps(name, seed, plans.space, known, best)}
        for name in (*LIGHT, *HEAVY)
        for seed in SEEDS
    ]
    save()


def gaps(name: str, seed: int, space: Any, known: dict[str, float], best: float) -> dict[str, Any]:
    """Return how far a strategy is from the optimum after so many plans, in parts of it."""
    from tfprune.strategies import optimize

    begin = time.perf_counter()
    most = 100 if name in HEAVY else max(STEPS)
    found = optimize(name, space, lambda point: (known[",".join(map(str, point))],), trials=most, seed=seed)
    result: dict[str, Any] = {"seconds": time.perf_counter() - begin, "evaluations": len(found.points)}
    for step in STEPS:
        values = [
            value[0]
            for point, value in zip(found.points[:step], found.values[:step], strict=True)
            if space.allowed(point)
        ]
        result[str(step)] = min(values) / best - 1 if values and step <= most else None
    return result


def fronts(task: Task, strategy: str, seed: int, cache: dict[str, Any]) -> dict[str, Any]:
    """Return the hypervolume of the estimated front after so many plans."""
    from tfprune.search import find_plans
    from tfprune.strategies import hypervolume, optimize

    if task.name not in cache:
        data = task.x_train[:SAMPLES]
        cache[task.name] = find_plans(task.model, data, latency=True, samples=SAMPLES, levels=8, round_to=1)[0]
    plans = cache[task.name]
    whole = plans.whole.latency

    def values(point: Any) -> tuple[float, float]:
        estimate = plans.estimate(point)
        return min(estimate["error"], 1.0), estimate["latency"] / whole

    trials = TRIALS["heavy" if strategy in HEAVY else "light"]
    begin = time.perf_counter()
    found = optimize(strategy, plans.space, values, trials=trials, objectives=2, seed=seed)
    seconds = time.perf_counter() - begin
    volumes = {str(part): hypervolume(found.values[:part], (1.0, 1.0)) for part in PARTS if part <= trials}
    return {"seconds": seconds, "evaluations": len(found.points), "volumes": volumes}


def winners(task: Task, method: str, part: float, seed: int, epochs: int) -> dict[str, Any]:
    """Return the accuracy of a network of some latency, refitted and then fine-tuned."""
    import tfprune
    from tfprune.latency import measured_latency
    from tfprune.search import run

    budget = tfprune.Budget(latency=part)
    data = task.x_train[:1024]
    begin = time.perf_counter()
    if method == "search":
        made = run(task.model, data, budget, strategy="evolution", trials=2000, climb=(6,), seed=seed, verbose=0).model
    else:
        criterion, scope = METHODS[method]
        plan = tfprune.plan_filters(task.model, budget, data=data, criterion=criterion, scope=scope, seed=seed)
        made = plan.repair().model
    seconds = time.perf_counter() - begin
    whole, latency = measured_latency([task.model, made])
    refitted = task.accuracy(made)
    return {
        "latency": latency / whole, "refitted": refitted, "tuned": task.tune(made, epochs), "seconds": seconds,
    }  # fmt: skip


METHODS: dict[str, Any] = {
    "search": None,
    "obs, greedy": ("obs", "greedy"),
    "L1, same part of each group": ("magnitude", "layer"),
}


def workers(task: Task, count: int) -> dict[str, Any]:
    """Return how long a search takes that makes sixteen plans."""
    import tfprune
    from tfprune.search import run

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        found = run(
            task.model, task.x_train[:1024], tfprune.Budget(macs=0.5), trials=200, climb=(16,), workers=count, seed=0,
            choose_from=["channels"], folder=Path(folder) / "out", verbose=0,
        )  # fmt: skip
    times = [trial.seconds for trial in found.trials if trial.rung == "refit"]
    return {"seconds": time.perf_counter() - begin, "each": sum(times) / len(times), "best": found.best.point}


def table(content: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    texts = []
    if content.get("gaps"):
        rows = []
        for name in (*LIGHT, *HEAVY):
            own = [r for r in content["gaps"] if r["strategy"] == name]
            cells = [[100 * r[str(step)] for r in own if r[str(step)] is not None] for step in STEPS]
            count = max(r["evaluations"] for r in own)
            rows.append([name, *(spread(c) for c in cells), str(count), spread([r["seconds"] for r in own])])
        headers = ["strategy", *(f"after {step}" for step in STEPS), "plans", "seconds of its own"]
        total = len(content["exhaustive"])
        texts.append(
            f"Gap to the true optimum in per cent, of {total:,} plans that were all made and refitted:\n\n"
            f"{markdown(headers, rows)}"
        )
    for network in NETWORKS:
        own = [r for r in content.get("fronts", []) if r["network"] == network]
        if not own:
            continue
        rows = []
        for name in (*LIGHT, *HEAVY):
            mine = [r for r in own if r["strategy"] == name]
            cells = [spread([r["volumes"][str(part)] for r in mine if str(part) in r["volumes"]]) for part in PARTS]
            rows.append([name, *cells, spread([r["seconds"] for r in mine])])
        headers = ["strategy", *(f"after {part} plans" for part in PARTS), "seconds"]
        texts.append(f"{network}, hypervolume of estimated error and latency:\n\n{markdown(headers, rows)}")
    rows = []
    for network in NETWORKS:
        for method in METHODS:
            own = [r for r in content.get("winners", []) if (r["network"], r["method"]) == (network, method)]
            if own:
                cells = [spread([r[key] for r in own]) for key in ("latency", "refitted", "tuned", "seconds")]
                rows.append([network, method, *cells])
    if rows:
        headers = ["network", "", "latency, measured", "refitted", "fine-tuned", "seconds"]
        texts.append(f"The winner at half of the latency:\n\n{markdown(headers, rows)}")
    if content.get("workers"):
        one, two = (content["workers"][name] for name in ("1", "2"))
        texts.append(
            f"Sixteen plans made by one process: {one['seconds']:.0f} s, by two workers: {two['seconds']:.0f} s, "
            f"{one['seconds'] / two['seconds']:.2f} times as fast; the same best plan: {one['best'] == two['best']}."
        )
    return "\n\n".join(texts)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="where ResNet-20 and its images are")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument(
        "--parts", nargs="+", default=["exhaustive", "fronts", "winners", "workers"], help="which of the four"
    )
    arguments = parser.parse_args()
    import json

    path = destination(arguments, "search")
    content: dict[str, Any] = {"environment": environment()}
    if path.exists() and not arguments.quick:
        content = json.loads(path.read_text(encoding="utf-8"))

    def save() -> None:
        write_json(path, content)

    quick, cache = arguments.quick, {}
    networks = ["fashion_cnn"] if quick else arguments.networks
    tasks = {name: Task(name, arguments.data_dir) for name in networks}
    if "exhaustive" in arguments.parts and "fashion_cnn" in tasks and not quick:
        exhaustive(tasks["fashion_cnn"], content, save)
    for network, task in tasks.items():
        for strategy, seed in itertools.product(
            LIGHT[:3] if quick else (*LIGHT, *HEAVY), SEEDS[:1] if quick else SEEDS
        ):
            key = {"network": network, "strategy": strategy, "seed": seed}
            done = content.setdefault("fronts", [])
            if "fronts" in arguments.parts and not any(key.items() <= r.items() for r in done):
                done.append({**key, **fronts(task, strategy, seed, cache)})
                save()
                print(done[-1], flush=True)
        for method, seed in itertools.product(METHODS, SEEDS[:1] if quick else SEEDS):
            key = {"network": network, "method": method, "seed": seed}
            done = content.setdefault("winners", [])
            if "winners" in arguments.parts and not quick and not any(key.items() <= r.items() for r in done):
                done.append({**key, **winners(task, method, 0.5, seed, EPOCHS[network])})
                save()
                print(done[-1], flush=True)
    if "workers" in arguments.parts and not quick:
        content["workers"] = {str(count): workers(tasks[networks[-1]], count) for count in (1, 2)}
        save()
    report(path, content, f"{table(content)}\n\nMean and standard deviation of {len(SEEDS)} seeds.")


if __name__ == "__main__":
    main()
