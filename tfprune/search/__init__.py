"""Search over plans: which channels, forms and precision, by strategies that share one interface."""

import importlib
from typing import TYPE_CHECKING, Any

from tfprune.search.find_plans import find_plans
from tfprune.search.front import front_of, hypervolume
from tfprune.search.joint import Joined, joint
from tfprune.search.journal import Trial
from tfprune.search.plan import Plan
from tfprune.search.plans import Plans
from tfprune.search.result import Searched
from tfprune.search.run import run
from tfprune.search.rungs import Evaluator
from tfprune.search.space import Point, Space
from tfprune.search.strategies import (
    Annealing,
    Backtracking,
    Evolution,
    Greedy,
    KerasTuner,
    Moead,
    NetAdapt,
    Nsga2,
    Optuna,
    Progressive,
    Random,
    Reinforcement,
    Swarm,
)
from tfprune.search.strategy import Exploration, Found, Strategy, Values, optimize, strategies

if TYPE_CHECKING:
    from tfprune.search.hyper_model import PruningHyperModel

__all__ = [
    "Annealing",
    "Backtracking",
    "Evaluator",
    "Evolution",
    "Exploration",
    "Found",
    "Greedy",
    "Joined",
    "KerasTuner",
    "Moead",
    "NetAdapt",
    "Nsga2",
    "Optuna",
    "Plan",
    "Plans",
    "Point",
    "Progressive",
    "PruningHyperModel",
    "Random",
    "Reinforcement",
    "Searched",
    "Space",
    "Strategy",
    "Swarm",
    "Trial",
    "Values",
    "find_plans",
    "front_of",
    "hypervolume",
    "joint",
    "optimize",
    "run",
    "strategies",
]


def __getattr__(name: str) -> Any:
    if name == "PruningHyperModel":  # needs keras-tuner, which not everybody has
        return importlib.import_module("tfprune.search.hyper_model").PruningHyperModel
    raise AttributeError(f"module 'tfprune.search' has no attribute {name!r}")
