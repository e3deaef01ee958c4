"""Networks to try things on."""

from tfprune.models.small_cnn import small_cnn

__all__ = ["small_cnn"]
