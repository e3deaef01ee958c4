"""`tfprune.partition.plan_partition`: where a network is cut so that its stages suit some devices."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import keras

from tfprune.errors import InputError, nearest
from tfprune.graph import Graph, trace
from tfprune.numbers import is_integer
from tfprune.partition.chain import Chain, lasting_path
from tfprune.partition.costs import Costs
from tfprune.partition.devices import Devices
from tfprune.partition.exact import solve_exactly
from tfprune.partition.explore import explore, solver_names
from tfprune.partition.min_cut import min_cut_order
from tfprune.partition.plan import LinkPlan, PartitionPlan, StagePlan
from tfprune.partition.timing import profile

__all__ = ["OBJECTIVES", "explore_partition", "plan_partition", "plan_with_cuts"]

OBJECTIVES = ("latency", "throughput")

TRIALS = 400
"""So many partitions an explorer looks at, unless told otherwise."""


def plan_partition(
    model: keras.Model,
    devices: Devices | str,
    *,
    objective: str = "latency",
    stages: int | None = None,
    solver: str = "exact",
    latency: Any = "measured",
    seed: int = 0,
    trials: int = TRIALS,
    progress: bool = False,
) -> PartitionPlan:
    """Return which operations of a network should run on which of some devices.

    The network is a row of operations, each device takes a stretch of it, and tensors made before a cut and read behind
    it are sent over the link. Time on a device is that on this machine over its speed; weights and the peak of
    activations have to fit its memory. Kang et al., "Neurosurgeon: Collaborative Intelligence Between the Cloud and
    Mobile Edge", ASPLOS 2017, for one cut; pipelines as in Narayanan et al., "PipeDream", SOSP 2019.

    Args:
        model: A built model of any kind, with inputs of a fixed size.
        devices: The devices and links, or the path of a YAML file with them.
        objective: `"latency"`: the least time for one sample. `"throughput"`: a pipeline in which every device works on
            another sample; the slowest stage or link is to be fast.
        stages: How many devices have to do something; None for any number from one.
        solver: `"exact"`: the optimum along the order of operations, by dynamic programming. `"min_cut"`: the optimum
            of two devices over all orders, for the latency, without regard to memory. `"merge_split"`: cuts moved,
            merged and split greedily. Or any strategy of `tfprune.search`, such as `"evolution"`, `"annealing"` or
            `"random"`; the plan says how far from the optimum it is (`gap`).
        latency: `"measured"`, `"macs"`, or the milliseconds of each operation; see `tfprune.partition.profile`.
        seed: Seed of an explorer.
        trials: How many partitions an explorer looks at.
        progress: Whether to show a progress bar on a terminal while operations are timed.

    Returns:
        The plan.

    Raises:
        InputError: If an argument can't be used, the model can't be traced, or no partition fits the devices' memory.

    Example:
        >>> from tfprune.partition import Device, Devices, Link
        >>> layers = [keras.layers.Dense(64, name="first"), keras.layers.Dense(4, name="narrow"),
        ...           keras.layers.Dense(64, name="wide"), keras.layers.Dense(2, name="last")]
        >>> model = keras.Sequential([keras.Input((256,)), *layers], name="example")
        >>> row = Devices([Device("sensor", 0.1), Device("server")], Link("1kB/s"))
        >>> plan = plan_partition(model, row, latency=[1, 1, 10, 10])
        >>> [(stage.device, stage.first, stage.last) for stage in plan.stages], plan.links[0].bytes, plan.latency
        ([('sensor', 'first', 'narrow'), ('server', 'wide', 'last')], 16, 56.0)
    """
    row = devices if isinstance(devices, Devices) else Devices.load(devices)
    check(row, objective, stages, solver, trials)
    graph = trace(model)
    chain = Chain(graph)
    if stages is not None and stages > len(chain.cuts) - 1:
        raise InputError(
            f"{stages} stages were asked for; {model.name!r} can be split into {len(chain.cuts) - 1} at most."
        )
    costs = Costs(chain, profile(graph, latency, progress=progress), row)
    begin = time.perf_counter()
    best = solve_exactly(costs, objective, stages)
    if best is None:
        raise costs.too_large(stages)
    optimum, looked = costs.price(best).of(objective), None
    if solver == "min_cut":
        begin = time.perf_counter()
        order, first = min_cut_order(chain, costs.profile, row)
        costs = Costs(Chain(graph, order), costs.profile, row)
        found: Sequence[int] = (int(costs.chain.cuts.searchsorted(first)),)
        if not costs.price(found).allowed or (stages is not None and costs.used(found) != stages):
            raise InputError(
                "The minimum cut knows neither limits of memory nor a number of stages, and its result does not keep "
                f"to them ({costs.memory_used(found):.0%} of a device's memory); use solver='exact'."
            )
    elif solver == "exact":
        found = best
    else:
        begin = time.perf_counter()
        points = explore(costs, solver, (objective,), stages=stages, trials=trials, seed=seed)
        if not points.best:
            raise InputError(
                f"The solver {solver!r} found no partition that is allowed within {trials} trials, but there is one; "
                "give more trials, or use solver='exact'."
            )
        found, looked = points.best[0], points.looked
    seconds = time.perf_counter() - begin
    plan = plan_with_cuts(costs, found, objective, solver)
    return replace(plan, optimum=optimum, seconds=seconds, looked=looked)


def explore_partition(
    model: keras.Model,
    devices: Devices | str,
    *,
    solver: str = "nsga2",
    latency: Any = "measured",
    seed: int = 0,
    trials: int = TRIALS,
    progress: bool = False,
) -> list[PartitionPlan]:
    """Return partitions between the least latency and the highest throughput: none is better in both.

    Args:
        model: A built model.
        devices: The devices and links, or the path of a YAML file with them.
        solver: A strategy of `tfprune.search`.
        latency: As for `plan_partition`.
        seed: Seed of the strategy.
        trials: How many partitions it looks at.
        progress: Whether to show a progress bar on a terminal while operations are timed.

    Returns:
        The plans, from the least latency to the highest throughput.

    Raises:
        InputError: As for `plan_partition`.

    Example:
        >>> from tfprune.partition import Device, Devices, Link
        >>> model = keras.Sequential([keras.Input((64,)), *(keras.layers.Dense(64) for _ in range(4))])
        >>> row = Devices([Device("a"), Device("b")], Link("1MB/s"))
        >>> [(plan.latency, plan.bottleneck) for plan in explore_partition(model, row, latency=[1, 1, 1, 1], trials=20)]
        [(4.0, 4.0), (4.256, 2.0)]
    """
    row = devices if isinstance(devices, Devices) else Devices.load(devices)
    if solver in ("exact", "min_cut", "merge_split"):
        raise InputError(f"{solver!r} has one objective; give a strategy of tfprune.search, such as 'nsga2'.")
    check(row, "latency", None, solver, trials)
    graph = trace(model)
    costs = Costs(Chain(graph), profile(graph, latency, progress=progress), row)
    optimum = solve_exactly(costs, "latency")
    if optimum is None:
        raise costs.too_large(None)
    begin = time.perf_counter()
    points = explore(costs, solver, OBJECTIVES, trials=trials, seed=seed)
    seconds = time.perf_counter() - begin
    least = costs.price(optimum).latency
    plans = [plan_with_cuts(costs, cuts, "latency", solver) for cuts in points.best]
    made = [replace(plan, optimum=least, seconds=seconds, looked=points.looked) for plan in plans]
    return sorted(made, key=lambda plan: (plan.latency, plan.bottleneck))


def check(devices: Devices, objective: str, stages: int | None, solver: str, trials: int) -> None:
    """Refuse arguments that can't be used."""
    if objective not in OBJECTIVES:
        raise InputError(f"Unknown objective {objective!r}. {nearest(objective, OBJECTIVES)}")
    if solver not in solver_names():
        raise InputError(f"Unknown solver {solver!r}. {nearest(solver, solver_names())}")
    if stages is not None and (not is_integer(stages) or not 1 <= stages <= len(devices)):
        raise InputError(f"stages is {stages!r}; give an int from 1 to {len(devices)}, the number of devices, or None.")
    if not is_integer(trials) or trials < 1:
        raise InputError(f"trials is {trials!r}; give an int from 1.")
    if solver == "min_cut" and (len(devices) != 2 or objective != "latency"):
        raise InputError(
            f"The minimum cut is for two devices and the latency; {len(devices)} devices and {objective!r} were given. "
            "Use solver='exact'."
        )


def plan_with_cuts(
    costs: Costs, cuts: Sequence[int], objective: str = "latency", solver: str = "given"
) -> PartitionPlan:
    """Return the plan of a partition.

    Args:
        costs: What stages take.
        cuts: For each link the number of the cut that it carries, rising.
        objective: What it is for.
        solver: What found it.
    """
    chain, row = costs.chain, costs.devices.devices
    ends, price = [0, *cuts, costs.count - 1], costs.price(cuts)
    stages: list[StagePlan] = []
    for place, (first, last) in enumerate(pairwise(ends)):
        if first == last:
            continue
        positions = range(int(chain.cuts[first]), int(chain.cuts[last]))
        time_taken = float(costs.times[last] - costs.times[first]) / row[place].speed
        stages.append(
            StagePlan(
                len(stages) + 1, row[place].name, place, tuple(chain.order[p] for p in positions),
                lasting_path(chain.node(positions[0])), lasting_path(chain.node(positions[-1])), time_taken,
                int(costs.weights[first, last]), int(costs.activations[first, last]),
            )
        )  # fmt: skip
    links = []
    for place, cut in enumerate(cuts):
        crossing = chain.boundary(int(chain.cuts[cut]))
        if cut < costs.count - 1:
            names = tuple(x.name for x in crossing)
            took = float(costs.links[place, cut])
            links.append(
                LinkPlan(row[place].name, row[place + 1].name, place, names, sum(x.size for x in crossing), took)
            )
    end = costs.count - 1
    alone = {one.name: costs.price((0,) * n + (end,) * (len(row) - 1 - n)).latency for n, one in enumerate(row)}
    return PartitionPlan(
        chain.graph.model.name, objective, solver, costs.profile.source, costs.devices.get_config(), tuple(stages),
        tuple(links), price.latency, price.bottleneck, alone, fingerprint=fingerprint_of(chain.graph),
        notes=costs.profile.notes,
    )  # fmt: skip


def fingerprint_of(graph: Graph) -> str:
    """Return what tells a network from others: a digest of the paths, kinds and shapes of its operations."""
    lines = [f"{lasting_path(node)} {node.kind} {[x.shape for x in node.results]}" for node in graph.nodes]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
