"""How long the operations of a network take on this machine, and the network with some of them smaller or replaced."""

from tfprune.latency.network import NetworkLatency, measured_latency
from tfprune.latency.parts import Part, parts_of
from tfprune.latency.table import LatencyTable

__all__ = ["LatencyTable", "NetworkLatency", "Part", "measured_latency", "parts_of"]
