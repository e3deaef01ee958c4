"""Criteria: which weights or channels matter least.

A new criterion is one class: extend `Criterion`, write `score` or `score_channels` with what it needs as arguments,
decorate the class with `@criteria.register("name")`, and `PruneCallback(criterion="name")` finds it.
"""

from tfprune.criteria.activation import ActivationMean, ActiveShare
from tfprune.criteria.base import Criterion, criteria
from tfprune.criteria.combined import Ensemble, Gathered
from tfprune.criteria.flow import Grasp, SynFlow
from tfprune.criteria.gathering import Gathering, normalise
from tfprune.criteria.geometric_median import GeometricMedian
from tfprune.criteria.lamp import Lamp
from tfprune.criteria.magnitude import Magnitude, SquaredMagnitude
from tfprune.criteria.movement import Movement
from tfprune.criteria.oracle import Oracle
from tfprune.criteria.random import Random
from tfprune.criteria.scale import BatchNormScale
from tfprune.criteria.second_order import Fisher, Hessian, JacobianHessian, OptimalBrainDamage
from tfprune.criteria.surgeon import LayerSurgeon, WoodFisher
from tfprune.criteria.taylor import ActivationTaylor, Snip, Taylor
from tfprune.criteria.wanda import Wanda

__all__ = [
    "ActivationMean",
    "ActivationTaylor",
    "ActiveShare",
    "BatchNormScale",
    "Criterion",
    "Ensemble",
    "Fisher",
    "Gathered",
    "Gathering",
    "GeometricMedian",
    "Grasp",
    "Hessian",
    "JacobianHessian",
    "Lamp",
    "LayerSurgeon",
    "Magnitude",
    "Movement",
    "OptimalBrainDamage",
    "Oracle",
    "Random",
    "Snip",
    "SquaredMagnitude",
    "SynFlow",
    "Taylor",
    "Wanda",
    "WoodFisher",
    "criteria",
    "deserialize",
    "get",
    "normalise",
    "serialize",
]

get = criteria.get
serialize = criteria.serialize
deserialize = criteria.deserialize
