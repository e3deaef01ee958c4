"""All strategies of search, each in a file of its own."""

from tfprune.search.strategies.annealing import Annealing
from tfprune.search.strategies.backtracking import Backtracking
from tfprune.search.strategies.evolution import Evolution
from tfprune.search.strategies.greedy import Greedy
from tfprune.search.strategies.keras_tuner import KerasTuner
from tfprune.search.strategies.moead import Moead
from tfprune.search.strategies.netadapt import NetAdapt
from tfprune.search.strategies.nsga2 import Nsga2
from tfprune.search.strategies.optuna import Optuna
from tfprune.search.strategies.progressive import Progressive
from tfprune.search.strategies.random import Random
from tfprune.search.strategies.reinforcement import Reinforcement
from tfprune.search.strategies.swarm import Swarm

__all__ = [
    "Annealing",
    "Backtracking",
    "Evolution",
    "Greedy",
    "KerasTuner",
    "Moead",
    "NetAdapt",
    "Nsga2",
    "Optuna",
    "Progressive",
    "Random",
    "Reinforcement",
    "Swarm",
]
