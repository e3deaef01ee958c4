"""What is found in a file that keeps it from being fast, or from working."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "Finding"]

KINDS = {
    "wrong": "gives wrong numbers",
    "fails": "can't be loaded",
    "older": "gives wrong numbers with runtimes before LiteRT 2.2",
    "blocks": "keeps zeros from being skipped",
    "zeros": "has too few zeros",
    "channels": "runs slower than it could",
}
"""What a finding of each kind does, the worst first."""


@dataclass(frozen=True)
class Finding:
    """One thing that keeps a network from being fast, or from working, on a device.

    Args:
        kind: `"wrong"`, `"fails"`, `"older"`, `"blocks"`, `"zeros"` or `"channels"`.
        layer: The Keras layer, or the operation where the file does not tell.
        problem: What is the matter with it.
        mend: What to do about it.

    Example:
        >>> finding = Finding("zeros", "conv_2", "has 40 % zeros, too few to be worth skipping", "prune it to 70 %")
        >>> f"{finding.layer} {KINDS[finding.kind]}: {finding.mend}"
        'conv_2 has too few zeros: prune it to 70 %'
    """

    kind: str
    layer: str
    problem: str
    mend: str = ""
