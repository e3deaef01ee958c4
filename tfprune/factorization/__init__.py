"""Layers as chains of smaller ones, chosen and fitted on what the layers get."""

from tfprune.factorization.base import Factorization, factorizations
from tfprune.factorization.channel_in import ChannelIn
from tfprune.factorization.choices import FORMS
from tfprune.factorization.cp import Cp
from tfprune.factorization.depthwise import Depthwise
from tfprune.factorization.grouped import ChannelOut, Grouped
from tfprune.factorization.layer import factorize_layer
from tfprune.factorization.network import plan_factorization
from tfprune.factorization.options import Option
from tfprune.factorization.plan import FactorizationPlan, LayerPlan
from tfprune.factorization.replacement import factorize
from tfprune.factorization.spatial import Spatial
from tfprune.factorization.svd import Svd
from tfprune.factorization.tucker import Tucker

__all__ = [
    "FORMS",
    "ChannelIn",
    "ChannelOut",
    "Cp",
    "Depthwise",
    "Factorization",
    "FactorizationPlan",
    "Grouped",
    "LayerPlan",
    "Option",
    "Spatial",
    "Svd",
    "Tucker",
    "factorizations",
    "factorize",
    "factorize_layer",
    "plan_factorization",
]
