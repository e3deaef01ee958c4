"""Search over plans: which channels, forms and precision, by strategies that share one interface."""

from tfprune.search.front import front_of, hypervolume
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

__all__ = [
    "Annealing",
    "Backtracking",
    "Evolution",
    "Exploration",
    "Found",
    "Greedy",
    "KerasTuner",
    "Moead",
    "NetAdapt",
    "Nsga2",
    "Optuna",
    "Point",
    "Progressive",
    "Random",
    "Reinforcement",
    "Space",
    "Strategy",
    "Swarm",
    "Values",
    "front_of",
    "hypervolume",
    "optimize",
    "strategies",
]
