"""Search over plans: which channels, forms and precision, by any strategy (`tfprune.strategies`)."""

import importlib
from typing import TYPE_CHECKING, Any

from tfprune.search.find_plans import find_plans
from tfprune.search.joint import Joined, joint
from tfprune.search.journal import Trial
from tfprune.search.plan import Plan
from tfprune.search.plans import Plans
from tfprune.search.result import Searched
from tfprune.search.run import run
from tfprune.search.rungs import Evaluator

if TYPE_CHECKING:
    from tfprune.search.hyper_model import PruningHyperModel

__all__ = [
    "Evaluator", "Joined", "Plan", "Plans", "PruningHyperModel", "Searched", "Trial", "find_plans", "joint", "run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "PruningHyperModel":  # needs keras-tuner, which not everybody has
        return importlib.import_module("tfprune.search.hyper_model").PruningHyperModel
    raise AttributeError(f"module 'tfprune.search' has no attribute {name!r}")
