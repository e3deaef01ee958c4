"""Strategies of search: each proposes points of a space, and is told what they are worth.

One of your own is a dataclass with a generator, `@strategies.register("mine")`; then `strategy="mine"` finds it, in
`tfprune.search` and in `tfprune.partition`.
"""

from tfprune.strategies.annealing import Annealing
from tfprune.strategies.backtracking import Backtracking
from tfprune.strategies.base import Exploration, Found, Proposals, Strategy, Values, optimize, strategies
from tfprune.strategies.evolution import Evolution
from tfprune.strategies.front import front_of, hypervolume
from tfprune.strategies.greedy import Greedy
from tfprune.strategies.keras_tuner import KerasTuner
from tfprune.strategies.moead import Moead
from tfprune.strategies.netadapt import NetAdapt
from tfprune.strategies.nsga2 import Nsga2
from tfprune.strategies.optuna import Optuna
from tfprune.strategies.progressive import Progressive
from tfprune.strategies.random import RandomSearch
from tfprune.strategies.reinforcement import Reinforcement
from tfprune.strategies.space import Point, Space
from tfprune.strategies.swarm import Swarm

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
    "Proposals",
    "RandomSearch",
    "Reinforcement",
    "Space",
    "Strategy",
    "Swarm",
    "Values",
    "deserialize",
    "front_of",
    "get",
    "hypervolume",
    "optimize",
    "serialize",
    "strategies",
]

get = strategies.get
serialize = strategies.serialize
deserialize = strategies.deserialize
