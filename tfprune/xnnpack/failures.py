"""What makes a file fail, or give wrong numbers."""

from __future__ import annotations

from collections.abc import Collection

from tfprune.targets import Target
from tfprune.xnnpack import rules
from tfprune.xnnpack.clusters import Survey, survey
from tfprune.xnnpack.findings import Finding
from tfprune.xnnpack.network import Network

__all__ = ["check_network", "failures"]


def check_network(network: Network, target: Target | None = None, known: Collection[str] = ()) -> list[Finding]:
    """Return what makes a file fail or give wrong numbers on a device; on any that there is, if no target is named.

    Args:
        network: The network of a file.
        target: The device.
        known: The names of the Keras model's layers.

    Returns:
        What is found, the worst first.

    Example:
        >>> from tfprune.xnnpack import read_network
        >>> check_network(read_network("dense.tflite"))
        []
    """
    return failures(network, survey(network), target, rules.namer(network, known))


def failures(network: Network, seen: Survey, target: Target | None, name: rules.Namer) -> list[Finding]:
    """Return what makes a network fail or give wrong numbers, given what was seen of its clusters."""
    found = list(rules.refused(network, name))
    if target is not None and (not target.stores_sparse or len(target.precisions) < 5):
        found += rules.unloadable(network, target, name)
    if network.sparse and (target is None or target.sparse_convolutions):
        found += [one for one in rules.open_ended(network, seen, name) if one.kind == "wrong"]
    return found
