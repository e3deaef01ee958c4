"""The mask engine: which kernels are pruned, their masks, and the loop that moves these along a schedule."""

from tfprune.pruning.baseline import random_prune
from tfprune.pruning.channels import (
    ChannelPlan,
    GroupPlan,
    IterativeResult,
    plan_filters,
    prune_filters,
    prune_iteratively,
)
from tfprune.pruning.clean import strip
from tfprune.pruning.layer import prune_layer
from tfprune.pruning.pruned import Pruned, PrunedKernel
from tfprune.pruning.pruner import Pruner
from tfprune.pruning.selection import Selection, Skipped, Target, select

__all__ = [
    "ChannelPlan",
    "GroupPlan",
    "IterativeResult",
    "Pruned",
    "PrunedKernel",
    "Pruner",
    "Selection",
    "Skipped",
    "Target",
    "plan_filters",
    "prune_filters",
    "prune_iteratively",
    "prune_layer",
    "random_prune",
    "select",
    "strip",
]
