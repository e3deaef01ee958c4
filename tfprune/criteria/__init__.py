"""Criteria: which weights or channels matter least.

A new criterion is one class: extend `Criterion`, write `score` or `score_channels` with what it needs as arguments,
decorate the class with `@criteria.register("name")`, and `PruneCallback(criterion="name")` finds it.
"""

from tfprune.criteria.activation_mean import ActivationMean
from tfprune.criteria.active_share import ActiveShare
from tfprune.criteria.base import Criterion, criteria
from tfprune.criteria.combined import Ensemble, Gathered
from tfprune.criteria.fisher import Fisher
from tfprune.criteria.gathering import Gathering, normalise
from tfprune.criteria.geometric_median import GeometricMedian
from tfprune.criteria.grasp import Grasp
from tfprune.criteria.hessian import Hessian
from tfprune.criteria.jacobian import JacobianHessian
from tfprune.criteria.lamp import Lamp
from tfprune.criteria.layer_surgeon import LayerSurgeon
from tfprune.criteria.magnitude import Magnitude, SquaredMagnitude
from tfprune.criteria.movement import Movement
from tfprune.criteria.optimal_brain_damage import OptimalBrainDamage
from tfprune.criteria.oracle import Oracle
from tfprune.criteria.random import Random
from tfprune.criteria.scale import BatchNormScale
from tfprune.criteria.snip import Snip
from tfprune.criteria.synflow import SynFlow
from tfprune.criteria.taylor import Taylor
from tfprune.criteria.taylor_activation import ActivationTaylor
from tfprune.criteria.wanda import Wanda
from tfprune.criteria.woodfisher import WoodFisher

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
