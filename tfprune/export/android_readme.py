"""What is said beside a model for Android: what Gradle needs, and what has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LITERT", "readme_text"]

LITERT = "com.google.ai.edge.litert:litert:2.3.0"
"""The package that runs models on Android, in the version of developers.google.com/edge/litert/next/android_kotlin."""

TEXT = """# {model}

{bytes:,} bytes, SHA-256 `{sha256}`, made by tfprune {version}.

| | name | shape | dtype | step | zero |
| --- | --- | --- | --- | --- | --- |
{tensors}

1. Copy `assets/` to `app/src/main/assets/`, and `Classifier.kt` to the folder of its package in `app/src/main/kotlin/`.
2. In `app/build.gradle.kts`:

```kotlin
android {{
    androidResources {{ noCompress += "tflite" }}  // so that the model is mapped into memory, not unpacked
}}

dependencies {{
    implementation("{litert}")
}}
```

3. `Classifier(context).use {{ it.{call} }}`, not on the main thread. The second argument is the accelerator, by default
   `Accelerator.CPU`.

`assets/metadata.json` has the same for programs. Names, shapes and quantisation are what the file says. `Classifier.kt`
is written for LiteRT's `CompiledModel`, and has not been compiled or run on a device by tfprune.
"""


def readme_text(metadata: Mapping[str, Any]) -> str:
    """Return README.md.

    Args:
        metadata: What metadata.json says.
    """
    rows = [
        f"| {kind} | `{_plain(one['name'])}` | {' × '.join(map(str, one['shape']))} | {one['dtype']} "
        f"| {'' if one['scale'] is None else format(one['scale'], '.6g')} "
        f"| {'' if one['zero_point'] is None else one['zero_point']} |"
        for kind, tensors in (("input", metadata["inputs"]), ("output", metadata["outputs"]))
        for one in tensors
    ]
    return TEXT.format(
        model=metadata["model"],
        bytes=metadata["bytes"],
        sha256=metadata["sha256"],
        version=metadata["made_with"]["tfprune"],
        tensors="\n".join(rows),
        litert=LITERT,
        call="classify(values)" if metadata["classes"] else "run(values)",
    )


def _plain(text: str) -> str:
    """Keep names from breaking the table."""
    return "".join(c if c.isprintable() and c not in "|`<>&" else "_" for c in text)
