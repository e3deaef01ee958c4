"""Pruning of whole channels: how much each matters, how many stay, and the plan that comes of it."""

from tfprune.pruning.channels.filters import plan_filters
from tfprune.pruning.channels.iterative import IterativeResult, prune_iteratively
from tfprune.pruning.channels.plan import ChannelPlan, GroupPlan
from tfprune.pruning.channels.removal import prune_filters

__all__ = ["ChannelPlan", "GroupPlan", "IterativeResult", "plan_filters", "prune_filters", "prune_iteratively"]
