"""Refit: what is left of a network learns in closed form, without labels, to do what the whole one does."""

from tfprune.refit.forms import Form, register_form
from tfprune.refit.layerwise import LayerFit, LayerwiseRefit
from tfprune.refit.network import Network
from tfprune.refit.products import DenseForm, EinsumDenseForm
from tfprune.refit.repair import Repaired, cut_and_refit, refit_zeros, split
from tfprune.refit.selection import Curve, Selection
from tfprune.refit.unlabelled import Unlabelled
from tfprune.refit.windowed import ConvolutionForm, DepthwiseForm, SeparableForm, TransposedConvolutionForm

__all__ = [
    "ConvolutionForm",
    "Curve",
    "DenseForm",
    "DepthwiseForm",
    "EinsumDenseForm",
    "Form",
    "LayerFit",
    "LayerwiseRefit",
    "Network",
    "Repaired",
    "Selection",
    "SeparableForm",
    "TransposedConvolutionForm",
    "Unlabelled",
    "cut_and_refit",
    "refit_zeros",
    "register_form",
    "split",
]
