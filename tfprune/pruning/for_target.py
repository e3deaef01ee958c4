"""What to prune so that a device becomes faster: single weights, blocks of Dense layers, or filters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfprune import granularity as granularities
from tfprune.cost import Budget
from tfprune.errors import ExportError, InputError
from tfprune.granularity import Block, Filter, Granularity, Weight
from tfprune.graph.choice import LayerChoice
from tfprune.linting.linter import converted, report
from tfprune.linting.report import LintReport
from tfprune.targets import Target
from tfprune.xnnpack.network import Network

__all__ = ["Advice", "advise"]

NEEDED = 2 / 3
"""XNNPACK skips zeros where more than this part of the 1 × 1 weights is zero."""

BLOCKED = 0.9
"""Sparsity of blocks unless the user gives one: at 80 % they are hardly faster than a dense layer on a PC."""

MOSTLY = 0.5
"""Blocks of zeros in Dense layers pay as a whole where these do more than this part of the multiply-accumulates."""


@dataclass(frozen=True)
class Advice:
    """What to prune for a device.

    Args:
        granularity: What goes as one.
        layers: The layers to prune; None for the usual choice.
        sparsity: The final sparsity, or a budget; None for that of the granularity.
        reasons: Why, a sentence each.
    """

    granularity: Granularity
    layers: tuple[Any, ...] | None
    sparsity: float | Budget | None
    reasons: tuple[str, ...]


def advise(
    model: keras.Model,
    target: Target,
    *,
    granularity: Any = None,
    sparsity: float | Budget | None = None,
    layers: Sequence[LayerChoice] | None = None,
) -> Advice:
    """Choose what to prune of a model so that it becomes faster on a device.

    Args:
        model: A built model.
        target: The device.
        granularity: What the user wants to go as one; None to choose that too.
        sparsity: What the user wants to go; checked against what the device needs.
        layers: The layers that the user chose; they stay the choice.

    Returns:
        The choice, with its reasons.

    Raises:
        InputError: If zeros of the model could be skipped, but not so few of them.
    """
    wanted = None if granularity is None else granularities.get(granularity)
    found, network, why = look(model, target)
    if isinstance(wanted, Filter) or (isinstance(sparsity, Budget) and wanted is None):
        return filters(target, wanted or Filter(), sparsity, layers, ())
    if found is not None and found.fits and (wanted is None or isinstance(wanted, Weight)):
        return weights(model, target, found, sparsity, layers)
    if wanted is not None:
        note = f"{wanted} does not make it faster there, only its file smaller: {why}"
        if isinstance(wanted, Block) and target.sparse_dense:
            note = "blocks of Dense layers are skipped, in float32; that pays from about 80 % zeros on"
        return Advice(wanted, None if layers is None else tuple(layers), sparsity, (note,))
    if target.sparse_dense and network is not None and dense_share(network) > MOSTLY and layers is None:
        return blocks(model, target, network, sparsity)
    return filters(target, Filter(), sparsity, layers, (why,))


def look(model: keras.Model, target: Target) -> tuple[LintReport | None, Network | None, str]:
    """Return what the linter says of a model, its network, and why single weights would not pay."""
    if not target.sparse_convolutions and not target.sparse_dense:
        return None, None, "no zeros are skipped there"
    try:
        network = converted(model, 1)
    except (ExportError, InputError) as error:
        return None, None, f"it can't be converted to see what the runtime makes of it ({error})"
    names = [layer.name for layer in model._flatten_layers(include_self=False)]
    found = report(model.name, network, target, names, assumed=True)
    if not target.sparse_convolutions:
        return found, network, "zeros of convolutions are never skipped there"
    first = next((one for one in found.findings if one.kind in ("wrong", "blocks")), None)
    why = "zeros of it are not skipped" if first is None else f"zeros are not skipped, as {first.layer} {first.problem}"
    return found, network, why


def weights(
    model: keras.Model,
    target: Target,
    found: LintReport,
    sparsity: float | Budget | None,
    layers: Sequence[LayerChoice] | None,
) -> Advice:
    """Return the advice to prune single weights of the 1 × 1 convolutions whose zeros are skipped."""
    if isinstance(sparsity, Budget):
        raise InputError(f'{sparsity} needs granularity="filter"; for {target.name} give it too, or a sparsity.')
    if sparsity is not None and sparsity <= NEEDED and layers is None:
        raise InputError(
            f"A sparsity of {sparsity} brings no speed on {target.name}: zeros are skipped where more than two thirds "
            f"of the weights of all {len(found.layers)} 1 × 1 convolutions are zero. Give more than 0.667, such as "
            '0.8, or granularity="filter".'
        )
    names = set(found.layers)
    chosen = tuple(
        layer for layer in model._flatten_layers(include_self=False) if layer.name in names and is_pointwise(layer)
    )
    reasons = (
        f"single weights: zeros of its {len(chosen)} 1 × 1 convolutions ({found.weights:,} weights) are skipped there",
        "only of these layers, and of all of them, as more than two thirds of their weights have to be zero together",
        "export it with tfprune.to_tflite(model, path, sparse=True), which stores float16",
    )
    return Advice(Weight(), tuple(layers) if layers is not None else chosen, sparsity, reasons)


def blocks(model: keras.Model, target: Target, network: Network, sparsity: float | Budget | None) -> Advice:
    """Return the advice to prune blocks of four inputs of Dense layers."""
    chosen = tuple(
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.Dense) and layer.kernel.shape[0] % 4 == 0 and layer.kernel.shape[1] >= 16
    )
    if not chosen:
        return filters(target, Filter(), sparsity, None, ("its Dense layers are too small for blocks",))
    if sparsity is None:
        sparsity = BLOCKED
    reasons = (
        f"blocks of 1 × 4, as Dense layers do {dense_share(network):.0%} of its work and such zeros are skipped there",
        "export it with tfprune.to_tflite(model, path, quantize=None, sparse=True): they are fast in float32 only",
    )
    return Advice(Block(1, 4), chosen, sparsity, reasons)


def filters(
    target: Target,
    wanted: Filter,
    sparsity: float | Budget | None,
    layers: Sequence[LayerChoice] | None,
    why: tuple[str, ...],
) -> Advice:
    """Return the advice to prune filters, in numbers that suit the device."""
    multiple = target.channels()
    integers = target.channels("int8")
    reasons = [*why, f"filters, of which a multiple of {multiple} is kept"]
    if wanted.round_to is not None:
        multiple = wanted.round_to
        reasons[-1] = f"filters, of which a multiple of {multiple} is kept, as you asked"
    elif integers != multiple:
        reasons.append(f"for int8 give granularity=tfprune.granularity.Filter(round_to={integers})")
    chosen = None if layers is None else tuple(layers)
    return Advice(dataclasses.replace(wanted, round_to=multiple), chosen, sparsity, tuple(reasons))


def is_pointwise(layer: Any) -> bool:
    """Whether a layer is, or has, a 1 × 1 convolution."""
    return isinstance(layer, keras.layers.Conv2D) and tuple(layer.kernel_size) == (1, 1)


def dense_share(network: Network) -> float:
    """Return the part of the multiply-accumulates that Dense layers do."""
    dense = whole = 0
    for op in network.operations:
        if op.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        kernel, made = network.tensors[op.inputs[1]], network.tensors[op.outputs[0]]
        own = kernel.size * math.prod(made.shape[:-1])
        whole += own
        dense += own if op.kind == "FULLY_CONNECTED" else 0
    return dense / whole if whole else 0.0
