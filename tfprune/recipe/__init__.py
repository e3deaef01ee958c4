"""Recipes: compression as a programme of stages, written in Python or YAML, run by `tfprune.compress`.

A new stage is one class in one file: extend `Stage` or `TrainingStage`, decorate the class with
`@stages.register("name")`, and recipes may say `method: name`.
"""

from tfprune.recipe.base import Stage, stages
from tfprune.recipe.device import ExportDevice, FitDevice
from tfprune.recipe.export import Export, Quantize
from tfprune.recipe.factorize import Factorize
from tfprune.recipe.gate import Gate
from tfprune.recipe.named import NAMED, conservative, find_recipe, mobile, moderate, tiny, vgg16_article
from tfprune.recipe.prune import Prune
from tfprune.recipe.recipe import Recipe
from tfprune.recipe.regularize import Regularize
from tfprune.recipe.runner import Compressed, compress
from tfprune.recipe.surgery import Refit, Shrink
from tfprune.recipe.training import Distil, FineTune, TrainingStage

__all__ = [
    "NAMED",
    "Compressed",
    "Distil",
    "Export",
    "ExportDevice",
    "Factorize",
    "FineTune",
    "FitDevice",
    "Gate",
    "Prune",
    "Quantize",
    "Recipe",
    "Refit",
    "Regularize",
    "Shrink",
    "Stage",
    "TrainingStage",
    "compress",
    "conservative",
    "find_recipe",
    "mobile",
    "moderate",
    "stages",
    "tiny",
    "vgg16_article",
]
