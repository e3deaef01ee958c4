"""Penalties: what is added to the loss so that training itself makes weights or channels small.

A new penalty is one class in one file: extend `Penalty`, write `__call__`, decorate the class with
`@penalties.register("name")`, and `RegularizeCallback("name")` finds it.
"""

from tfprune.penalties.base import Penalty, Weights, penalties
from tfprune.penalties.group_lasso import GroupLasso
from tfprune.penalties.growing import Growing
from tfprune.penalties.hybrid import SparseGroupLasso
from tfprune.penalties.norms import L1, L2
from tfprune.penalties.slimming import Slimming

__all__ = [
    "L1",
    "L2",
    "GroupLasso",
    "Growing",
    "Penalty",
    "Slimming",
    "SparseGroupLasso",
    "Weights",
    "deserialize",
    "get",
    "penalties",
    "serialize",
]

get = penalties.get
serialize = penalties.serialize
deserialize = penalties.deserialize
