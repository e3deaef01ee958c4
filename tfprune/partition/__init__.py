"""A network split into stages that run on several devices or processes: planned, made, saved and run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfprune.partition.branches import Branched, branch
    from tfprune.partition.chain import Chain, cut_points
    from tfprune.partition.costs import Costs, Price
    from tfprune.partition.devices import Device, Devices, Link
    from tfprune.partition.exits import EarlyExits, add_exits, load_exits
    from tfprune.partition.folder import load_stages
    from tfprune.partition.plan import LinkPlan, PartitionPlan, StagePlan
    from tfprune.partition.planning import explore_partition, plan_partition
    from tfprune.partition.run_result import RunResult
    from tfprune.partition.runner import run_stages
    from tfprune.partition.stages import Stage, Stages, partition
    from tfprune.partition.timing import Profile, profile

NAMES = {
    "Branched": "branches",
    "Chain": "chain",
    "Costs": "costs",
    "Device": "devices",
    "Devices": "devices",
    "Link": "devices",
    "EarlyExits": "exits",
    "LinkPlan": "plan",
    "PartitionPlan": "plan",
    "Price": "costs",
    "Profile": "timing",
    "RunResult": "run_result",
    "Stage": "stages",
    "StagePlan": "plan",
    "Stages": "stages",
    "add_exits": "exits",
    "branch": "branches",
    "cut_points": "chain",
    "explore_partition": "planning",
    "load_exits": "exits",
    "load_stages": "folder",
    "partition": "stages",
    "plan_partition": "planning",
    "profile": "timing",
    "run_stages": "runner",
}
"""Where each name is. It is loaded when it is first used, so that the processes that run stages need no Keras."""

__all__ = [
    "Branched",
    "Chain",
    "Costs",
    "Device",
    "Devices",
    "EarlyExits",
    "Link",
    "LinkPlan",
    "PartitionPlan",
    "Price",
    "Profile",
    "RunResult",
    "Stage",
    "StagePlan",
    "Stages",
    "add_exits",
    "branch",
    "cut_points",
    "explore_partition",
    "load_exits",
    "load_stages",
    "partition",
    "plan_partition",
    "profile",
    "run_stages",
]


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{NAMES[name]}"), name)
