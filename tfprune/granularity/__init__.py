"""Granularities: what is kept or removed as one.

A new granularity is one class in one file: extend `Granularity`, write `units`, decorate the class with
`@granularities.register("name")`, and `PruneCallback(granularity="name")` finds it.
"""

from __future__ import annotations

import re

from tfprune.granularity.base import Granularity, KernelAxes, Units, granularities
from tfprune.granularity.block import Block
from tfprune.granularity.depth import Depth
from tfprune.granularity.filter import Filter, Head
from tfprune.granularity.n_m import NM
from tfprune.granularity.weight import Weight

__all__ = [
    "NM",
    "Block",
    "Depth",
    "Filter",
    "Granularity",
    "Head",
    "KernelAxes",
    "Units",
    "Weight",
    "deserialize",
    "get",
    "granularities",
    "serialize",
]

granularities.alias("channel", "filter")
serialize = granularities.serialize
deserialize = granularities.deserialize


def get(identifier: object) -> Granularity:
    """Return the granularity that `identifier` stands for.

    Args:
        identifier: A name (`"weight"`, `"block"`, `"n:m"`, `"filter"` or `"channel"`, `"head"`, `"layer"`), a
            pattern such as `"2:4"`, a block as a tuple (outputs, inputs) such as `(1, 4)`, a class, an instance or a
            saved config.

    Raises:
        InputError: If it is none of these.

    Example:
        >>> get((1, 4)), get("2:4")
        (Block(outputs=1, inputs=4), NM(n=2, m=4))
    """
    if isinstance(identifier, tuple | list) and len(identifier) == 2:
        return Block(*identifier)
    if isinstance(identifier, str) and (pattern := re.fullmatch(r"(\d+):(\d+)", identifier)):
        return NM(int(pattern[1]), int(pattern[2]))
    return granularities.get(identifier)
