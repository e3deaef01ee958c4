"""What a linter says of a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tfprune.shown import Shown
from tfprune.targets import Target
from tfprune.xnnpack.findings import KINDS, Finding

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["LintReport"]


@dataclass(frozen=True)
class LintReport(Shown):
    """What a network is worth on a device.

    Args:
        source: The file or the model.
        target: The device.
        fits: Whether the form of the network lets zeros of 1 × 1 convolutions be skipped, if there are enough.
        engages: Whether they are: the form fits, and more than two thirds of these weights are zero, and stored so.
        safe: Whether a sparse file works there, with right numbers.
        layers: The layers whose zeros are skipped where the form fits.
        weights: How many weights these layers have.
        zeros: How many of them are zero.
        findings: What is in the way, the worst first.
        fixed: What `lint(fix=True)` has changed, in words.
        model: The changed model, if `fix` was asked for.

    Example:
        >>> report = LintReport("m.keras", Target("board"), True, True, True, ("conv_1",), 100, 90)
        >>> print(report)
        m.keras on board: zeros of 1 layer are skipped (90.0% of 100 weights are zero)
    """

    source: str
    target: Target
    fits: bool
    engages: bool
    safe: bool
    layers: tuple[str, ...] = ()
    weights: int = 0
    zeros: int = 0
    findings: tuple[Finding, ...] = ()
    fixed: tuple[str, ...] = ()
    model: Any = field(default=None, repr=False, compare=False)

    @property
    def sparsity(self) -> float:
        """The share of zeros among the weights whose zeros are skipped."""
        return self.zeros / self.weights if self.weights else 0.0

    def __str__(self) -> str:
        lines = [f"{self.source} on {self.target.name}: {self.verdict}"]
        lines += [f"  changed  {one}" for one in self.fixed]
        for kind, (layers, problem, mend) in self.grouped():
            lines.append(f"  {kind:<8} {problem}: {layers}")
            lines += [f"  {'':<8} → {mend}"] if mend else []
        if self.fits and self.target.gains:
            lines.append(f"  gains    {self.target.gains}")
        return "\n".join(lines)

    @property
    def verdict(self) -> str:
        """What zeros do there, in a sentence."""
        count = f"{len(self.layers)} layer{'s' * (len(self.layers) != 1)}"
        share = f"{self.sparsity:.1%} of {self.weights:,} weights are zero"
        if not self.safe:
            worst = next(one.kind for one in self.findings if one.kind in ("wrong", "fails"))
            return f"a sparse file {KINDS[worst]} there"
        if self.engages:
            return f"zeros of {count} are skipped ({share})"
        if self.fits:
            return f"zeros of {count} would be skipped, from two thirds on ({share})"
        if not self.target.sparse_convolutions:
            return "zeros of convolutions are never skipped there"
        return "zeros are not skipped"

    def grouped(self) -> Iterator[tuple[str, tuple[str, str, str]]]:
        """Yield kind, layers, problem and mend, with layers of the same problem together."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for one in self.findings:
            groups.setdefault((one.kind, one.problem, one.mend), []).append(one.layer)
        for (kind, problem, mend), layers in groups.items():
            more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
            yield kind, (", ".join(filter(None, layers[:3])) + more, problem, mend)

    def table(self) -> Table:
        """Return a `rich.table.Table` of the findings."""
        from rich.table import Table

        table = Table(title=f"{self.source} on {self.target.name}: {self.verdict}", title_justify="left")
        for name in ("", "layers", "problem", "what to do"):
            table.add_column(name, overflow="fold")
        for kind, (layers, problem, mend) in self.grouped():
            table.add_row(kind, layers, problem, mend)
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the model as plain types that JSON can hold."""
        content = {name: value for name, value in vars(self).items() if name not in ("model", "target")}
        content["findings"] = [asdict(one) for one in self.findings]
        content |= {"target": self.target.name, "verdict": self.verdict}
        plain: dict[str, Any] = json.loads(json.dumps(content))
        return plain

    def to_json(self) -> str:
        """Return everything but the model as JSON."""
        return json.dumps(self.to_dict(), indent=2)
