"""Factorised layers: ResNet-20 by form, ResNet-56, and how well latency is predicted."""

from __future__ import annotations

from statistics import median
from typing import Any

from blocks import figures, one, result
from common import markdown

from shown.filters import percent
from shown.without_labels import certainty, tested

ROWS = {
    "**mixed: the default**": "mixed",
    "`spatial`": "spatial",
    "`depthwise`": "depthwise",
    "`channel_in`": "channel_in",
    "`tucker`": "tucker",
    "`channel_out`": "channel_out",
    "mixed, not refitted": "mixed, not refitted",
    "mixed, by the weights alone": "mixed, weights only",
    "`spatial`, by the weights alone": "spatial, weights only",
    "filters removed, refitted": "filters",
    "filters, then mixed": "filters, then mixed",
    "mixed, then filters": "mixed, then filters",
}


def factorised(network: str, bound: str, method: str, part: float) -> dict[str, Any]:
    """Return one result; its accuracy is without labels or training."""
    return one(result("factorization")["results"], network=network, bound=bound, method=method, part=part)


@figures
def resnet20_forms() -> str:
    lines = []
    for text, method in ROWS.items():
        cells = []
        for bound in ("macs", "latency"):
            row = factorised("resnet20_cifar10", bound, method, 0.5)
            met = "reason" not in row
            cells += [f"{row['accuracy']:.2f}", f"{row['latency']:.2f}"] if met else ["can't be met", ""]
        lines.append([text, *cells])
    headers = [
        "", "half of the multiply-accumulates: top-1", "latency left", "half of the latency: top-1", "latency left",
    ]  # fmt: skip
    content = result("factorization")
    whole = content["dense"]["resnet20_cifar10"]
    return (
        f"A public ResNet-20 for CIFAR-10 ({whole:.2f} % before), {content['samples']:,} images without labels, no "
        f"training; top-1 in per cent of {tested()} (`python benchmarks/factorization.py --data-dir …`). "
        "Latency is the interpreter's on one thread of an x86 CPU, float32, in parts of the original network's; "
        '"mixed" '
        f"chooses a form for each layer:\n\n{markdown(headers, lines)}\n\nOne seed: differences below "
        f"{certainty():.1f} points may be chance. Where the latency left is above a half, the multiply-accumulates "
        "that "
        "were saved did not all arrive as time."
    )


@figures
def factors_further() -> str:
    def accuracy(network: str, bound: str, method: str, part: float) -> str:
        return f"{factorised(f'{network}_cifar10', bound, method, part)['accuracy']:.2f}"

    count, typical, worst = prediction()
    return (
        "Of ResNet-20, at 0.35 of the multiply-accumulates the default keeps "
        f"{accuracy('resnet20', 'macs', 'mixed', 0.35)} % "
        f"(filters {accuracy('resnet20', 'macs', 'filters', 0.35)}, filters then mixed "
        f"{accuracy('resnet20', 'macs', 'filters, then mixed', 0.35)}), at 0.35 of the latency "
        f"{accuracy('resnet20', 'latency', 'mixed', 0.35)} % (filters "
        f"{accuracy('resnet20', 'latency', 'filters', 0.35)}). Of ResNet-56 "
        f"({result('factorization')['dense']['resnet56_cifar10']:.2f} %) half of the multiply-accumulates keep "
        f"{accuracy('resnet56', 'macs', 'filters, then mixed', 0.5)} % (filters, then mixed; spatial "
        f"{accuracy('resnet56', 'macs', 'spatial', 0.5)}, mixed {accuracy('resnet56', 'macs', 'mixed', 0.5)}, "
        f"filters {accuracy('resnet56', 'macs', 'filters', 0.5)}), half of the latency "
        f"{accuracy('resnet56', 'latency', 'filters, then mixed', 0.5)} % (mixed "
        f"{accuracy('resnet56', 'latency', 'mixed', 0.5)}, filters "
        f"{accuracy('resnet56', 'latency', 'filters', 0.5)}). Multiply-accumulates are not time: depthwise windows "
        f"save many, and less of the latter. The latency of {count} networks was predicted to {percent(typical, 1)} in "
        f"the median, and to {percent(worst, 1)} at worst."
    )


def prediction() -> tuple[int, float, float]:
    """Return of how many networks the latency was predicted, the median error and the largest."""
    off = [
        abs(r["predicted"] / r["latency"] - 1)
        for r in result("factorization")["results"]
        if r.get("predicted") is not None
    ]
    return len(off), median(off), max(off)
