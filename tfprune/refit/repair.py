"""Cutting a network and repairing what is left, with a report of what that did."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
from keras import tree
from rich.table import Table
from rich.text import Text

from tfprune.console import track
from tfprune.graph import Cut, Graph
from tfprune.refit.forms import Array
from tfprune.refit.layerwise import LayerFit, LayerwiseRefit
from tfprune.refit.measure import Likeness, clearly_worse, likeness, outputs_of
from tfprune.refit.network import Network, batch_for
from tfprune.refit.normalisation import reestimate
from tfprune.shown import Shown
from tfprune.surgery.compiled import carry_compilation, carry_optimizer

__all__ = ["Repaired", "cut_and_refit", "refit_zeros", "split"]

MOST_HELD_OUT = 256


@dataclass(frozen=True)
class Repaired(Shown):
    """A smaller network, and how near it is to the whole one.

    Args:
        model: The smaller network.
        layers: What the refit of each layer did, in order.
        before: How alike the outputs were before the refit, on samples that it has not seen.
        after: The same after.
        reestimated: Whether batch normalisations have counted anew, as that came nearer.
        held_out: How many samples these are; 0 if there were too few to hold any out, so that all were seen.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"),
        ...                           keras.layers.Dense(2, name="b")])
        >>> x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
        >>> result = tfprune.plan_filters(model, 0.5, data=x).repair()
        >>> [layer.name for layer in result.layers], result.held_out, result.after.error < result.before.error
        (['a', 'b'], 32, True)
    """

    model: keras.Model = field(repr=False)
    layers: tuple[LayerFit, ...] = field(repr=False)
    before: Likeness
    after: Likeness
    reestimated: bool
    held_out: int

    def __str__(self) -> str:
        where = f"on {self.held_out} samples it has not seen" if self.held_out else "on the samples it has seen"
        again = "; batch normalisations counted anew" if self.reestimated else ""
        return f"refit of {len(self.layers)} layers, {where}:\n  before: {self.before}\n  after:  {self.after}{again}"

    def table(self, predicted: Mapping[str, float] | None = None) -> Table:
        """Return a rich table of the layers.

        Args:
            predicted: The error that was predicted for some layers, by their path.
        """
        table = Table(title=Text("squared error ÷ variance of what each layer makes"), title_justify="left")
        table.add_column("layer", overflow="fold")
        for column in ("inputs", "rows", "predicted", "cut", "refitted"):
            table.add_column(column, justify="right")
        for fit in self.layers:
            guess = (predicted or {}).get(fit.name)
            told = "" if guess is None else f"{guess:.4f}"
            numbers = (str(fit.inputs), f"{fit.rows:,}", told, f"{fit.before:.4f}", f"{fit.after:.4f}")
            table.add_row(Text(fit.name), *numbers)
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "before": vars(self.before),
            "after": vars(self.after),
            "reestimated": self.reestimated,
            "held_out": self.held_out,
            "layers": [vars(fit) for fit in self.layers],
        }


def split(samples: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """Return the samples to fit on and those to hold out: one in eight, at most 256; none of fewer than 16.

    Args:
        samples: Arrays with the samples first.

    Example:
        >>> fitted, held = split([np.zeros((64, 8))])
        >>> fitted[0].shape, held[0].shape
        ((56, 8), (8, 8))
    """
    count = len(samples[0])
    held = min(count // 8, MOST_HELD_OUT) if count >= 16 else 0
    return [array[: count - held] for array in samples], [array[count - held :] for array in samples]


def cut_and_refit(
    graph: Graph,
    removed: Sequence[int],
    samples: Sequence[Array],
    *,
    teacher: Network | None = None,
    optimizer: bool = False,
    progress: bool = False,
    **options: Any,
) -> Repaired:
    """Return what is left of a graph's model without some channels, refitted on samples.

    Batch normalisations count anew if the outputs on held-out samples come nearer to the whole network's by that.

    Args:
        graph: The graph.
        removed: Labels of the channels to remove.
        samples: The model's inputs, an array for each.
        teacher: A copy of the whole network, if there is one.
        optimizer: Whether the new optimizer remembers what the old one did.
        progress: Whether to show a progress bar.
        **options: `ridge`, `batch`, `memory`, `rows`, `seed`, as for `LayerwiseRefit`.

    Returns:
        The smaller network, and how near it is to the whole one.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"), keras.layers.Dense(2)])
        >>> graph = tfprune.graph.trace(model)
        >>> x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
        >>> cut_and_refit(graph, graph.group("a").labels[:6], [x]).model.get_layer("a").units
        10
    """
    cut = graph.cut(removed)
    student = Network(graph, cut)
    carry_compilation(graph.model, student.model)
    if optimizer:
        carry_optimizer(graph.model, student.model, student.built)
    return repair(graph, cut, teacher or Network(graph), student, samples, progress=progress, **options)


def refit_zeros(
    graph: Graph, teacher: Network, samples: Sequence[Array], *, progress: bool = False, **options: Any
) -> Repaired:
    """Refit a graph's model in place after weights of it have become zero; they stay zero.

    Args:
        graph: The graph of the model.
        teacher: A copy of the model as it was.
        samples: The model's inputs, an array for each.
        progress: Whether to show a progress bar.
        **options: As for `cut_and_refit`.

    Returns:
        The model, and how near it is to what it was.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, name="a"), keras.layers.Dense(2)])
        >>> x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
        >>> graph = tfprune.graph.trace(model)
        >>> original = Network(graph)
        >>> _ = tfprune.prune_layer(model.get_layer("a"), 0.5)
        >>> result = refit_zeros(graph, original, [x])
        >>> result.after.error < result.before.error, int((model.get_layer("a").kernel.numpy() == 0).sum())
        (True, 64)
    """
    student = Network(graph)
    result = repair(
        graph, graph.cut([]), teacher, student, samples, progress=progress, keep_zeros=True, **options
    )  # fmt: skip
    for node in graph.nodes:
        if isinstance(node.operation, keras.Layer):
            for old, new in zip(node.operation.weights, student.operations[id(node.operation)].weights, strict=True):
                old.assign(new)
    return replace(result, model=graph.model)


def repair(
    graph: Graph,
    cut: Cut,
    teacher: Network,
    student: Network,
    samples: Sequence[Array],
    *,
    progress: bool,
    **options: Any,
) -> Repaired:
    """Refit a smaller network; what makes its outputs on held-out samples clearly worse is taken back."""
    fitted, held = split(samples)
    judged = held if len(held[0]) else fitted
    wanted = outputs_of(graph, teacher, judged)
    first = outputs_of(graph, student, judged)
    before = likeness(wanted, first)
    untouched = [weight.numpy() for weight in student.model.weights]
    refit = LayerwiseRefit(graph, cut, teacher, student, fitted, **options)
    fits = tuple(track(refit.run(), len(refit.sites), "refit", progress))
    warn_of_few(fits)
    inputs = [tensor.index for tensor in tree.flatten(graph.trace.inputs)]
    refitted = [weight.numpy() for weight in student.model.weights]
    made = outputs_of(graph, student, judged)
    after = likeness(wanted, made)
    again = reestimate(student, inputs, fitted, batch_for(graph))
    counted = outputs_of(graph, student, judged) if again else made
    anew = likeness(wanted, counted)
    if again and anew.error < after.error:
        made, after = counted, anew
    else:
        again = False
        assign(student.model, refitted)
    if clearly_worse(wanted, first, made):
        warnings.warn(
            "the refit made held-out outputs worse, so it is left out; give more samples, or such as the model is used "
            "on",
            stacklevel=4,
        )
        after, again = before, False
        assign(student.model, untouched)
    return Repaired(student.model, fits, before, after, again, len(held[0]))


def assign(model: keras.Model, values: Sequence[Array]) -> None:
    """Give a model's weights values."""
    for weight, value in zip(model.weights, values, strict=True):
        weight.assign(value)


def warn_of_few(fits: Sequence[LayerFit]) -> None:
    """Warn if layers were fitted on fewer rows than they have unknowns."""
    few = [fit for fit in fits if fit.rows <= fit.inputs]
    if few:
        warnings.warn(
            f"{len(few)} of {len(fits)} layers have more unknowns than rows ({few[0].name}: {few[0].inputs} and "
            f"{few[0].rows}); their weights stay near what they were. Give more samples.",
            stacklevel=5,
        )
