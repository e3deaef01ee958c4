"""Quantisation-aware training: a model computes with the precision of 8-bit integers while it is trained."""

from tfprune.quantization.calls import FakeQuantized, detach_calls
from tfprune.quantization.fake import fake_quantize, quantize_activation, quantize_kernel
from tfprune.quantization.kernels import Kernel, kernels_of
from tfprune.quantization.points import Points, Site, find_points
from tfprune.quantization.ranges import Range, Ranges
from tfprune.quantization.zeros import KeptZeros, release_zeros

__all__ = [
    "FakeQuantized",
    "Kernel",
    "KeptZeros",
    "Points",
    "Range",
    "Ranges",
    "Site",
    "detach_calls",
    "fake_quantize",
    "find_points",
    "kernels_of",
    "quantize_activation",
    "quantize_kernel",
    "release_zeros",
]
