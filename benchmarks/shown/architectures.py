"""Which public architectures are cut, and what holds of what comes out."""

from __future__ import annotations

import re
from typing import Any

from blocks import figures, result
from common import markdown

from shown.filters import percent

SHOWN = {"filter": "filters", "unit": "units", "head": "heads", "head size": "sizes of heads"}


def family(name: str) -> str:
    """Return the name of a network without what says how large it is."""
    kinds = r"ConvNeXt|DenseNet|EfficientNetV2|EfficientNet|Inception\w*|MobileNetV\d|NASNet|ResNet\d+V2|ResNet|VGG"
    found = re.match(rf"{kinds}|[A-Z]\w+", name)
    kind = found[0] if found else name
    return "ResNetV2" if kind.endswith("V2") and kind.startswith("ResNet") else kind


@figures
def applications() -> str:
    rows = result("applications_oracle")["results"]
    lines = []
    for kind in dict.fromkeys(family(row["name"]) for row in rows):
        own = [row for row in rows if family(row["name"]) == kind]
        part = sorted(row["prunable"] / row["groups"] for row in own)
        left = sorted(row["parameters_after"] / row["parameters"] for row in own)
        lines.append(
            [
                kind, f"{len(own)}", percent(part[0]), span([100 * one for one in left], " %"),
                f"{max(row['error'] for row in own):.0e}", f"{sum(row['alone_error'] == 0 for row in own)}",
                f"{max(row['tflite_error'] for row in own):.0e}",
            ]
        )  # fmt: skip
    headers = ["family", "networks", "groups of channels that can go", "parameters left of 30–50 % fewer channels",
               "cut against zeroed, float64", "load without tfprune", ".tflite against Keras"]  # fmt: skip
    return (
        f"All {len(rows)} networks of `keras.applications`, with random weights (`python "
        "benchmarks/applications_oracle.py`); errors are relative to the outputs' scale:\n\n" + markdown(headers, lines)
    )


def span(values: list[float], unit: str) -> str:
    """Return from where to where values reach."""
    low, high = f"{values[0]:.0f}", f"{values[-1]:.0f}"
    return f"{low}{unit}" if low == high else f"{low}–{high}{unit}"


def outcome(row: dict[str, Any]) -> list[str]:
    """Return what happened to a backbone: what can go, and what comes out."""
    if row.get("failed"):
        return ["refused: a layer that can't be traced can't be copied either, its config does not make it", "", ""]
    if not row["prunable"]:
        return ["traced; nothing can be removed", "", file_of(row)]
    kinds = ", ".join(SHOWN.get(kind, kind) for kind in row["kinds"])
    own = (
        "Keras layers with an activation of keras-hub's" if row.get("alone_failed") else "keras-hub's layers among them"
    )
    alone = "plain Keras layers" if row.get("alone_error") is not None else own
    return [f"{row['prunable']} of {row['groups']} groups: {kinds}", alone, file_of(row)]


def file_of(row: dict[str, Any]) -> str:
    """Return how far a backbone's .tflite file is from Keras, or why there is none."""
    if "tflite_error" in row:
        return f"{row['tflite_error']:.0e}"
    refused = row["tflite_failed"]
    if "has the shape" in refused:
        return "refused: outputs depend on the batch"
    if "disagrees" in refused:
        return "refused: it would compute something else"
    return "refused: a part of it has no built-in operation"


def cut_backbones() -> tuple[int, int]:
    """Return how many of keras-hub's backbones are cut, and of how many."""
    rows = result("keras_hub_oracle")["results"]
    return sum(not row.get("failed") and bool(row["prunable"]) for row in rows), len(rows)


@figures
def backbones() -> str:
    rows = result("keras_hub_oracle")["results"]
    cut, tried = cut_backbones()
    table = markdown(
        ["backbone", "what can go", "what comes out", ".tflite against Keras"],
        [[row["name"], *outcome(row)] for row in rows],
    )
    return (
        f"{tried} backbones of keras-hub, tiny, with random weights, are traced; {cut} are cut, and compute what the "
        f"original with zeros in those places does; {sum('tflite_error' in row for row in rows)} become a `.tflite` "
        "file that agrees with Keras (`python "
        "benchmarks/keras_hub_oracle.py`, [with the reasons](docs/benchmarks.md#keras_hub_oracle)):"
        f"\n\n{table}"
    )


@figures
def tried() -> str:
    cut, backbones = cut_backbones()
    return (
        f"All {len(result('applications_oracle')['results'])} networks of `keras.applications` are cut in a benchmark, "
        f"and {cut} of {backbones} backbones of keras-hub: [which, and what can go](docs/coverage.md)."
    )
