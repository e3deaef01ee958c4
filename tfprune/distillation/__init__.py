"""Distillation: a student that learns from its teacher, by plain `compile` and `fit`.

A new loss is one class in one file: extend `OutputLoss` or `FeatureLoss`, write `__call__`, decorate the class with
`@losses.register("name")`, and `Distiller(student, losses="name")` finds it.
"""

from tfprune.distillation.answers import Answer
from tfprune.distillation.attention import AttentionTransfer
from tfprune.distillation.base import DistillationLoss, FeatureLoss, OutputLoss, losses, weighted_mean
from tfprune.distillation.cache import with_answers
from tfprune.distillation.decoupled import DecoupledKnowledgeDistillation
from tfprune.distillation.dist import Dist
from tfprune.distillation.distances import Cosine, Hint, MeanSquaredError, SmoothL1
from tfprune.distillation.distiller import Distiller
from tfprune.distillation.heat import Heat, heat
from tfprune.distillation.knowledge import KnowledgeDistillation
from tfprune.distillation.relations import Relational

__all__ = [
    "Answer",
    "AttentionTransfer",
    "Cosine",
    "DecoupledKnowledgeDistillation",
    "Dist",
    "DistillationLoss",
    "Distiller",
    "FeatureLoss",
    "Heat",
    "Hint",
    "KnowledgeDistillation",
    "MeanSquaredError",
    "OutputLoss",
    "Relational",
    "SmoothL1",
    "deserialize",
    "get",
    "heat",
    "losses",
    "serialize",
    "weighted_mean",
    "with_answers",
]

get = losses.get
serialize = losses.serialize
deserialize = losses.deserialize
