"""How long the operations of a network take on this machine."""

from tfprune.latency.table import LatencyTable

__all__ = ["LatencyTable"]
