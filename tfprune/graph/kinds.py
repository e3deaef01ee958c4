"""Kinds of Keras layers that several parts of tfprune tell apart."""

from __future__ import annotations

from keras import layers

__all__ = ["CONVOLUTIONS", "DEPTHWISE", "IDLE"]

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)

DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)

IDLE = (
    layers.Identity, layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D,
    layers.ActivityRegularization, layers.GaussianNoise, layers.GaussianDropout, layers.AlphaDropout,
)  # fmt: skip
"""Layers that do nothing at inference."""
