"""What a compression has come to, for people: a Markdown card."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from tfprune.recipe.recipe import Recipe
from tfprune.version import __version__, versions_of

__all__ = ["card_of", "rows_of"]


def rows_of(whole: Mapping[str, float], done: Sequence[Mapping[str, Any]], metric: str) -> list[list[str]]:
    """Return a row for the dense network and each stage: what it reaches and what is left of its cost."""
    rows = [["dense", f"{whole[metric]:.4f}", *costs(whole, whole), ""]]
    for entry in done:
        measured = entry["measured"]
        note = "" if entry["kept"] else "below the floor"
        rows.append([entry["method"], f"{measured[metric]:.4f}", *costs(measured, whole), note])
    return rows


def costs(measured: Mapping[str, float], whole: Mapping[str, float]) -> list[str]:
    """Return parameters and MACs, with their part of the whole."""
    return [
        f"{int(measured[name]):,} ({measured[name] / max(whole[name], 1):.0%})" for name in ("parameters", "macs")
    ]  # fmt: skip


def card_of(recipe: Recipe, state: Mapping[str, Any], metric: str) -> str:
    """Return the card.

    Args:
        recipe: The recipe.
        state: What is known of the stages.
        metric: The metric that counts.
    """
    about = [recipe.about, ""] if recipe.about else []
    lines = [f"# {recipe.name}", "", *about, f"| stage | {metric} | parameters | MACs | |"]
    lines += ["| --- | ---: | ---: | ---: | --- |"]
    lines += [f"| {' | '.join(row)} |" for row in rows_of(state["whole"], state["done"], metric)]
    exported = state.get("exported") or {}
    if exported:
        lines += ["", "| file | top class right | bytes | median ms | dense float32, ms | speed-up |"]
        lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
        for entry in exported.values():
            times = [f"{entry[name]:.3f}" if name in entry else "" for name in ("milliseconds", "dense_milliseconds")]
            right = f"{entry['top_class']:.2%}" if "top_class" in entry else ""
            speedup = f"{entry['speedup']:.2f}×" if "speedup" in entry else ""
            lines.append(f"| `{entry['file']}` | {right} | {entry['bytes']:,} | {times[0]} | {times[1]} | {speedup} |")
        for entry in (one for one in exported.values() if "arena_bytes" in one):
            lines += [
                "",
                f"`{entry['file']}` runs on TensorFlow Lite Micro in {entry['arena_bytes']:,} bytes of RAM; as C++",
            ]
            lines[-1] += f" it is {' and '.join(f'`{name}`' for name in entry['c_array'])}."
    lines += ["", "The recipe:", "", "```yaml", recipe.to_yaml().rstrip(), "```", "", f"Made with {made_with()}."]
    return "\n".join(line for line in lines) + "\n"


def made_with() -> str:
    """Return what was used, with versions."""
    found = versions_of("tensorflow", "keras", "ai-edge-litert")
    used = [f"{name} {version}" for name, version in found.items()]
    return ", ".join([f"tfprune {__version__}", f"Python {platform.python_version()}", *used])
