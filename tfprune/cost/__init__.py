"""What a network costs."""

from tfprune.cost.budget import Budget
from tfprune.cost.network import Cost, CostModel

__all__ = ["Budget", "Cost", "CostModel"]
