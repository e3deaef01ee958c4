"""Rules: what each kind of layer and operation does with channels. One family a file; importing registers them."""

from tfprune.graph.rules import (
    activation,
    attention,
    contraction,
    convolution,
    dense,
    elementwise,
    index,
    kernel,
    normalization,
    normalize,
    pooling,
    recurrent,
    reduce,
    reshape,
    scale,
    select,
)
from tfprune.graph.rules.base import Rule, find_rule, register_rule

__all__ = [
    "Rule",
    "activation",
    "attention",
    "contraction",
    "convolution",
    "dense",
    "elementwise",
    "find_rule",
    "index",
    "kernel",
    "normalization",
    "normalize",
    "pooling",
    "recurrent",
    "reduce",
    "register_rule",
    "reshape",
    "scale",
    "select",
]
