"""What a network costs."""

from tfprune.cost.budget import Budget
from tfprune.cost.macs import count_macs, seen_shapes
from tfprune.cost.network import Cost, CostModel

__all__ = ["Budget", "Cost", "CostModel", "count_macs", "seen_shapes"]
