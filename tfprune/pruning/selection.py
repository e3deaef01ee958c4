"""Which kernels of a model are pruned, which are not, and why."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keras

from tfprune.errors import InputError, nearest, no_weights
from tfprune.granularity import Granularity, KernelAxes
from tfprune.graph.choice import LayerChoice, inside
from tfprune.graph.tree import own_variables, walk
from tfprune.pruning.ends import first_and_last
from tfprune.pruning.kernels import is_depthwise, kernel_axes, why_not_kernel
from tfprune.schedules import check_sparsity

__all__ = ["Selection", "Skipped", "Target", "select"]


NO_AXES = KernelAxes((), ())
"""The axes of what is no kernel."""


@dataclass(frozen=True)
class Target:
    """A kernel that is pruned.

    Args:
        path: Where it is, such as `"encoder/conv/kernel"`.
        layer: The layer that owns it.
        variable: The kernel.
        axes: Which of its axes are channels.
        sparsity: A sparsity of its own; None for that of the schedule.

    Example:
        >>> layer = keras.layers.Dense(4, name="hidden")
        >>> layer.build((None, 8))
        >>> target = select(layer, granularity=tfprune.granularity.Weight()).targets[0]
        >>> target.path, target.size, target.axes
        ('hidden/kernel', 32, KernelAxes(inputs=(-2,), outputs=(-1,)))
    """

    path: str
    layer: keras.Layer = field(repr=False)
    variable: keras.Variable = field(repr=False)
    axes: KernelAxes = field(repr=False)
    sparsity: float | None = None

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.variable.shape)


@dataclass(frozen=True)
class Skipped:
    """A weight that is left alone, and why.

    Args:
        path: Where it is.
        size: Number of weights.
        reason: Why it is left alone.

    Example:
        >>> layer = keras.layers.Dense(4, name="hidden")
        >>> layer.build((None, 8))
        >>> select(layer, granularity=tfprune.granularity.Weight()).skipped[0]
        Skipped(path='hidden/bias', size=4, reason='bias')
    """

    path: str
    size: int
    reason: str


@dataclass(frozen=True)
class Selection:
    """What is pruned and what is not, in the order of the model.

    Args:
        targets: The kernels that are pruned.
        skipped: The weights that are not.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), *(keras.layers.Dense(4, name=name) for name in "abc")])
        >>> found = select(model, granularity=tfprune.granularity.Weight())
        >>> [target.path for target in found.targets]
        ['b/kernel']
        >>> {one.path: one.reason for one in found.skipped}["a/kernel"]
        'first layer'
    """

    targets: tuple[Target, ...]
    skipped: tuple[Skipped, ...]


def select(
    model: keras.Layer,
    *,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    per_layer: Mapping[keras.Layer | str, float] | None = None,
    granularity: Granularity,
    weight: str | None = None,
) -> Selection:
    """Choose the kernels to prune.

    By default these are all kernels but the first and the last layers' and depthwise ones. `layers` chooses by hand,
    and then only what can't be pruned is left out.

    Args:
        model: A built model or layer.
        layers: Only these, by layer, type, name or path.
        skip: None of these.
        per_layer: Sparsities of their own for some layers, by layer, name or path.
        granularity: The pattern; kernels that it does not fit are skipped.
        weight: Only kernels of that name, as `"kernel"` or `"recurrent_kernel"`.

    Returns:
        The kernels to prune, and what is left alone.

    Raises:
        InputError: If the model is not built, a name is unknown or ambiguous, or nothing is left to prune.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), *(keras.layers.Dense(4, name=name) for name in "abc")])
        >>> found = select(model, layers=["a", "b"], granularity=tfprune.granularity.Weight())
        >>> [target.path for target in found.targets]
        ['a/kernel', 'b/kernel']
    """
    if not isinstance(model, keras.Layer):
        raise InputError(f"{model!r} is not a Keras model or layer; give one.")
    everything = dict(walk(model))
    if not is_built(model, everything) or not any(own_variables(layer) for layer in everything.values()):
        raise no_weights(model)
    wanted = None if layers is None else inside(everything, layers)
    unwanted = inside(everything, skip or ())
    own = {
        layer_id: check_sparsity(sparsity, f"The sparsity of {choice if isinstance(choice, str) else choice.name!r}")
        for choice, sparsity in (per_layer or {}).items()
        for layer_id in inside(everything, [choice])
    }
    candidates, skipped = find_kernels(everything)
    named = None if weight is None else called(weight, model, candidates, skipped)
    first, last = first_and_last(model, {id(target.layer) for target in candidates})
    if all(id(target.layer) in first | last for target in candidates):
        first, last = set(), set()  # nothing else to prune
    targets = []
    for target in candidates:
        chosen_by_hand = (wanted is not None and id(target.layer) in wanted) or id(target.layer) in own
        reason = None
        if not target.variable.trainable:
            reason = "frozen"
        elif id(target.layer) in unwanted:
            reason = "skipped by name"
        elif wanted is not None and not chosen_by_hand:
            reason = "not chosen"
        elif named is not None and target.path not in named:
            reason = "another weight was named"
        elif granularity.needs_inputs and not target.axes.inputs:
            reason = "no input channels for this granularity"
        elif not chosen_by_hand:
            if is_depthwise(target.layer, target.variable):
                reason = "depthwise"
            elif id(target.layer) in first:
                reason = "first layer"
            elif id(target.layer) in last:
                reason = "last layer"
        if reason is None:
            targets.append(dataclasses.replace(target, sparsity=own.get(id(target.layer))))
        else:
            skipped.append(Skipped(target.path, target.size, reason))
    if not targets:
        reasons = sorted({entry.reason for entry in skipped}) or ["it has no weights"]
        raise InputError(
            f"There is no prunable layer in {model.name!r} ({', '.join(reasons)}); "
            "choose layers by hand with layers=[…], or unfreeze some."
        )
    return Selection(tuple(targets), tuple(skipped))


def is_built(model: keras.Layer, everything: Mapping[str, keras.Layer]) -> bool:
    """Whether a model has its weights: it was called, or what it is made of was, as the networks of a GAN."""
    parts = [layer for layer in everything.values() if layer is not model]
    return model.built or (bool(parts) and all(layer.built for layer in parts))


def called(weight: str, model: keras.Layer, kernels: Sequence[Target], others: Sequence[Skipped]) -> set[str]:
    """Return the paths of the kernels that a name stands for.

    Raises:
        InputError: If there are none; the message has the nearest name, or why that weight is not pruned.
    """
    found = {target.path for target in kernels if f"/{target.path}".endswith(f"/{weight}")}
    if found:
        return found
    names = {target.path.rsplit("/", 1)[-1] for target in kernels}
    reason = next((entry.reason for entry in others if f"/{entry.path}".endswith(f"/{weight}")), None)
    if reason is None:
        raise InputError(f"{model.name!r} has no weight {weight!r}. {nearest(weight, names)}")
    why = "biases are not pruned" if reason == "bias" else f"it is not pruned ({reason})"
    raise InputError(f"{weight!r} of {model.name!r} is no kernel: {why}. {nearest(weight, names)}")


def find_kernels(everything: Mapping[str, keras.Layer]) -> tuple[list[Target], list[Skipped]]:
    """Return every kernel once, also where layers share it, and the weights that are none."""
    kernels: list[Target] = []
    skipped: list[Skipped] = []
    seen: set[int] = set()
    for path, layer in everything.items():
        for variable in own_variables(layer):
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            owner = layer.name if not path and not isinstance(layer, keras.Model) else path
            name = f"{owner}/{variable.name}".lstrip("/")
            reason = why_not_kernel(layer, variable)
            if reason is None:
                kernels.append(Target(name, layer, variable, kernel_axes(layer, variable)))
            else:
                skipped.append(Skipped(name, math.prod(variable.shape), reason))
    return kernels, skipped
