"""`tfprune.linting`: what a network is worth on a device, before anybody waits for one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tfprune.errors import InputError
from tfprune.linting.report import LintReport
from tfprune.loading import load_keras
from tfprune.targets import Target, find_target
from tfprune.xnnpack import rules
from tfprune.xnnpack.clusters import survey
from tfprune.xnnpack.failures import failures
from tfprune.xnnpack.findings import KINDS, Finding
from tfprune.xnnpack.network import Network, read_network
from tfprune.xnnpack.steps import stepping_over

__all__ = ["lint"]


def lint(
    model: Any, target: str | Target = "android-cpu", *, fix: bool = False, batch_size: int | None = 1
) -> LintReport:
    """Say whether zeros make a network faster on a device, and what keeps them from it.

    XNNPACK skips zeros of 1 × 1 convolutions, on CPUs without AVX such as those of phones, where the network has one
    exact
    form: it begins with a 3 × 3 convolution of three channels with strides of 2, ends in a global average pooling, and
    has between them only 1 × 1 convolutions, depthwise ones that are padded alike on all sides, sums, products and
    functions of single values; all in float; and more than two thirds of the 1 × 1 weights are zero. In a network that
    is *nearly* of that form the runtime gives wrong numbers, without a message; runtimes before LiteRT 2.2 also do
    where a convolution that is padded with "same" steps over its last inputs. This reads the network as XNNPACK does.

    Args:
        model: A Keras model, or the path of a .tflite or .keras file. A model is converted to see what the runtime
            gets; its zeros count as they would in a sparse file.
        target: The device: "android-cpu", "arm-cpu", "x86-cpu", "microcontroller", or a `tfprune.targets.Target`.
        fix: Whether to rewrite what can be written otherwise without changing what the model computes; the changed
            model is the report's `model`. Needs a Keras model.
        batch_size: The batch that a model is converted with.

    Returns:
        A report that prints.

    Raises:
        InputError: If there is no such file or target, or the file is damaged.
        ExportError: If the model can't be converted.

    Example:
        >>> import keras
        >>> x = inputs = keras.Input((32, 32, 3))
        >>> x = keras.layers.Conv2D(16, 3, strides=2, padding="same", name="stem")(x)
        >>> x = keras.layers.Conv2D(32, 1, name="mix")(x)
        >>> x = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
        >>> report = lint(keras.Model(inputs, x))
        >>> report.fits, report.findings[0].layer, report.findings[0].problem
        (False, 'stem', "is padded with 'same' at strides (2, 2)")
    """
    device = find_target(target)
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        if path.suffix == ".tflite":
            if fix:
                raise InputError(f"{path} can't be rewritten; give the Keras model that it was made from.")
            return report(str(path), read_network(path), device)
        model = load(path)
    fixed: tuple[str, ...] = ()
    if fix:
        from tfprune.linting.fix import rewrite

        model, fixed = rewrite(model)
    known = [layer.name for layer in model._flatten_layers(include_self=False)]
    found = report(model.name, converted(model, batch_size), device, known, assumed=True)
    return LintReport(**{**vars(found), "fixed": fixed, "model": model if fix else None})


def report(
    source: str, network: Network, target: Target, known: Collection[str] = (), *, assumed: bool = False
) -> LintReport:
    """Return what is found in a network; with `assumed`, as if its zeros were left out of the file."""
    network = network if not assumed else as_sparse(network)
    name = rules.namer(network, known)
    seen = survey(network)
    findings = failures(network, seen, target, name)
    findings += stepping_over(network, target, name)
    whole = [cluster for cluster in seen.clusters if not cluster.open_ends]
    fits = bool(whole) and bool(target.sparse_convolutions)
    skipping = [cluster for cluster in whole if cluster.enough(network)] if fits and network.sparse else []
    shown = (skipping or whole) if fits else []
    kernels = {index for cluster in shown for index in cluster.kernels}
    if target.sparse_convolutions:
        findings += rules.blocked(seen, name)
        findings += [one for one in rules.open_ended(network, seen, name) if one not in findings]
    weights = sum(network.tensors[index].size for index in kernels)
    zeros = sum(network.tensors[index].zeros for index in kernels)
    if fits and not skipping:
        findings.append(too_few(network, zeros, weights))
    findings += rules.uneven_channels(network, target, name)
    findings.sort(key=lambda one: list(KINDS).index(one.kind))
    layers = tuple(name(op) for op in network.operations if len(op.inputs) > 1 and op.inputs[1] in kernels)
    safe = not any(one.kind in ("wrong", "fails") for one in findings)
    return LintReport(source, target, fits, bool(skipping) and safe, safe, layers, weights, zeros, tuple(findings))


def too_few(network: Network, zeros: int, weights: int) -> Finding:
    """Return the finding about a network of the right form whose zeros are not skipped."""
    if zeros * 3 > weights * 2:
        return Finding("zeros", "the file", "stores its zeros", "export it with sparse=True")
    return Finding(
        "zeros",
        "the 1 × 1 convolutions",
        f"have {zeros / max(weights, 1):.1%} zeros, and more than 66.7% are needed, over all of them together",
        "prune them: PruneCallback(0.8, target=…)",
    )


def as_sparse(network: Network) -> Network:
    """Return a network as if the file left zeros out."""
    import dataclasses

    tensors = [
        dataclasses.replace(tensor, sparse=True)
        if tensor.constant and tensor.zeros and len(tensor.shape) in (2, 4)
        else tensor
        for tensor in network.tensors
    ]
    return dataclasses.replace(network, tensors=tuple(tensors))


def converted(model: Any, batch_size: int | None) -> Network:
    """Return the network that a Keras model is converted to."""
    from tfprune.export import to_tflite

    with tempfile.TemporaryDirectory(prefix="tfprune-lint-") as folder:
        path = Path(folder) / "model.tflite"
        to_tflite(model, path, batch_size=batch_size, verify=False)
        return read_network(path)


def load(path: Path) -> Any:
    """Load a .keras file."""
    if not path.exists():
        raise InputError(f"{path} does not exist; give a .keras or .tflite file, or a Keras model.")
    return load_keras(path)
