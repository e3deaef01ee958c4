"""Criteria: which weights matter least.

A new criterion is one class in one file: extend `Criterion`, write `score`, decorate the class with
`@criteria.register("name")`, and `PruneCallback(criterion="name")` finds it.
"""

from tfprune.criteria.base import Criterion, criteria
from tfprune.criteria.magnitude import Magnitude, SquaredMagnitude
from tfprune.criteria.random import Random

__all__ = ["Criterion", "Magnitude", "Random", "SquaredMagnitude", "criteria", "deserialize", "get", "serialize"]

get = criteria.get
serialize = criteria.serialize
deserialize = criteria.deserialize
