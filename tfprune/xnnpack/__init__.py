"""What XNNPACK, by which the runtime computes, does with a .tflite file; read from the file, without running it."""

from tfprune.xnnpack.failures import check_network
from tfprune.xnnpack.findings import Finding
from tfprune.xnnpack.network import Network, read_network

__all__ = ["Finding", "Network", "check_network", "read_network"]
