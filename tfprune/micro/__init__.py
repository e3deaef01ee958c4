"""Microcontrollers: what a model needs of flash and RAM.

Example:
    >>> import tfprune.micro
    >>> needs = tfprune.micro.measure("dense.tflite")
    >>> needs.arena_bytes % 16
    0
"""

from tfprune.micro.footprint import Footprint
from tfprune.micro.measure import measure

__all__ = ["Footprint", "measure"]
