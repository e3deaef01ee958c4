"""Differentiable gates: what to remove is learned with the loss.

A new gate is one class in one file: extend `Gate`, write `draw`, `opening` and `settled`, decorate the class with
`@gates.register("name")`, and `GateCallback(gate="name")` finds it.
"""

from tfprune.gates.base import Gate, gates
from tfprune.gates.bernoulli import Bernoulli
from tfprune.gates.gumbel import Gumbel
from tfprune.gates.hard_concrete import HardConcrete
from tfprune.gates.penalised import PenaltyTraining
from tfprune.gates.training import GateTraining

__all__ = [
    "Bernoulli",
    "Gate",
    "GateTraining",
    "Gumbel",
    "HardConcrete",
    "PenaltyTraining",
    "deserialize",
    "gates",
    "get",
    "serialize",
]

get = gates.get
serialize = gates.serialize
deserialize = gates.deserialize
