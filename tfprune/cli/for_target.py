"""`tfprune prune --target`: what pays on a device, chosen before anything else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.cli.inputs import load_model, parse_granularity

if TYPE_CHECKING:
    from tfprune.cost import Budget

__all__ = ["Choice", "choose"]


@dataclass(frozen=True)
class Choice:
    """What a command line means once the device is known: options as they would have been given."""

    granularity: str
    sparsity: float | None
    layers: list[str] | None
    round_to: int | None


def choose(
    model: Path,
    target: str,
    granularity: str | None,
    wanted: Budget | float | None,
    layers: list[str] | None,
    round_to: int | None,
    *,
    quiet: bool,
) -> Choice:
    """Return what to prune of a model for a device, and print why.

    Args:
        model: The .keras file.
        target: The name of the device.
        granularity: What the user wants to go as one; None to choose that too.
        wanted: The budget or the sparsity.
        layers: The layers that the user named.
        round_to: The multiple that the user gave; None for that of the device.
        quiet: Whether to print nothing.

    Raises:
        InputError: If the target is not known, or zeros could be skipped there, but not so few of them.
    """
    from tfprune.targets import find_target

    device = find_target(target)
    from tfprune.cost import Budget
    from tfprune.granularity import Block, Filter, Weight
    from tfprune.pruning.for_target import advise

    given: Any = None if granularity is None else parse_granularity(granularity)
    if granularity in (None, "filter") and round_to is not None:
        given = Filter(round_to=round_to)
    advice = advise(load_model(model), device, granularity=given, sparsity=wanted, layers=layers)
    if not quiet:
        for reason in advice.reasons:
            print(f"  {device.name}: {reason}")
    pattern = advice.granularity
    names = {Weight: "weight", Filter: "filter"}
    told = next((name for kind, name in names.items() if type(pattern) is kind), granularity or "filter")
    if isinstance(pattern, Block):
        told = f"{pattern.outputs}x{pattern.inputs}"
    chosen = None if advice.layers is None else [getattr(layer, "name", layer) for layer in advice.layers]
    left = advice.sparsity
    return Choice(told, None if isinstance(left, Budget) else left, chosen, getattr(pattern, "round_to", None))
