"""The model card of an exported file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfprune.errors import InputError
from tfprune.export.result import ExportResult, TensorInfo
from tfprune.files import PathLike, check_destination, write_atomically

__all__ = ["card_text", "write_card"]


def card_text(result: ExportResult, extra: Mapping[str, str] | None = None) -> str:
    """Return the Markdown of a model card.

    Args:
        result: A finished export.
        extra: More facts, by name: how the model was trained, its accuracy, its latency.

    Returns:
        Markdown text that ends in a newline.
    """
    facts = [
        ("File", f"`{_plain(Path(result.path).name)}`"),
        ("Size", f"{result.bytes:,} bytes ({result.gzip_bytes:,} after gzip)"),
        ("Stored as", (result.quantize or "float32") + (", sparse" if result.sparse else "")),
        ("Zeros", f"{result.sparsity:.1%} of the stored weights"),
        ("Agreement with Keras", str(result.parity or "not checked")),
        ("SHA-256", f"`{result.sha256}`"),
        *((_plain(name), _plain(fact)) for name, fact in (extra or {}).items()),
        ("Made with", ", ".join(f"{name} {version}" for name, version in result.versions.items())),
    ]
    lines = [
        f"# {_plain(Path(result.path).stem)}",
        "",
        "| | |",
        "| --- | --- |",
        *[f"| {key} | {value} |" for key, value in facts],
        "",
        "| | name | shape | dtype | step | zero |",
        "| --- | --- | --- | --- | --- | --- |",
        *_rows("input", result.inputs),
        *_rows("output", result.outputs),
        *["", "Notes:", ""][: 3 * bool(result.notes)],
        *[f"- {_plain(note)}" for note in result.notes],
    ]
    return "\n".join(lines) + "\n"


def write_card(
    result: ExportResult,
    path: PathLike | None = None,
    *,
    extra: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the card as Markdown and JSON; `ExportResult.save_card` explains the arguments."""
    artefact = Path(result.path)
    markdown = Path(path) if path is not None else artefact.with_name(artefact.name + ".md")
    if markdown.suffix.lower() in (".json", ".tflite"):
        raise InputError(f"{markdown} is to hold Markdown; give a path that ends in .md.")
    data = markdown.with_suffix(".json")
    for destination in (markdown, data):
        check_destination(destination, overwrite=overwrite)
    facts = {**result.to_dict(), "path": artefact.name, **({"extra": dict(extra)} if extra else {})}
    write_atomically(data, json.dumps(facts, indent=2) + "\n")
    write_atomically(markdown, card_text(result, extra))
    return markdown


def _rows(kind: str, tensors: Iterable[TensorInfo]) -> list[str]:
    return [
        f"| {kind} | `{_plain(t.name)}` | {' × '.join('?' if a is None else str(a) for a in t.shape)} | {t.dtype} "
        f"| {'' if t.scale is None else f'{t.scale:.6g}'} | {'' if t.zero_point is None else t.zero_point} |"
        for t in tensors
    ]


def _plain(text: str) -> str:
    """Keep names from breaking the table or from being read as HTML."""
    for character, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "'"), ("\n", " ")):
        text = text.replace(character, safe)
    return text
