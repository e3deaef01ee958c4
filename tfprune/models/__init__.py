"""Networks to try things on."""

from tfprune.models.mobilenet import mobilenet_v1, mobilenet_v2
from tfprune.models.small_cnn import small_cnn

__all__ = ["mobilenet_v1", "mobilenet_v2", "small_cnn"]
