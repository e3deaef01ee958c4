"""Surgery: model in, smaller model out."""

from tfprune.surgery.shrink import cut_graph, shrink

__all__ = ["cut_graph", "shrink"]
