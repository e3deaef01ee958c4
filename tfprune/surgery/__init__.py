"""Surgery: model in, smaller model out."""

from tfprune.surgery.kept import Kept, kept_channels
from tfprune.surgery.shrink import cut_graph, shrink

__all__ = ["Kept", "cut_graph", "kept_channels", "shrink"]
