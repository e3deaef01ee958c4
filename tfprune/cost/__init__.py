"""What a network costs."""

from tfprune.cost.macs import count_macs, seen_shapes

__all__ = ["count_macs", "seen_shapes"]
