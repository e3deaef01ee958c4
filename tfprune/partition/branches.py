"""`tfprune.partition.branch`: layers split into branches side by side, which exchange nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
from rich.table import Table
from rich.text import Text

from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.graph.choice import LayerChoice
from tfprune.numbers import is_integer
from tfprune.partition.chain import Chain
from tfprune.partition.communication import Section, communication
from tfprune.partition.rearranged import InBranches, copies_of, reorder, take_apart
from tfprune.partition.stage_model import make_stage
from tfprune.partition.width import cluster, deviations, find_splits, strength
from tfprune.refit.measure import Likeness
from tfprune.refit.network import Network
from tfprune.refit.repair import refit_zeros
from tfprune.refit.unlabelled import Unlabelled
from tfprune.shown import Shown
from tfprune.sizes import readable
from tfprune.surgery.compiled import carry_compilation
from tfprune.surgery.rebuild import Rebuilt

__all__ = ["BranchLayer", "Branched", "Section", "branch"]

LOOKED_AT = 64
"""So many samples tell how much the inputs of layers vary."""


@dataclass(frozen=True)
class BranchLayer:
    """A layer that was split.

    Args:
        name: Its path.
        kept: Part of its connections that are within the branches, by weight times variance.
        macs_before: Multiply-accumulates for a sample before.
        macs_after: After.
    """

    name: str
    kept: float
    macs_before: int
    macs_after: int


@dataclass(frozen=True)
class Branched(Shown):
    """A network with layers in branches.

    Args:
        model: The network: split convolutions in groups, split `Dense` layers as one for each branch.
        groups: How many branches there are.
        layers: The layers that were split.
        skipped: Why others were not, by their path.
        sections: What branches can do by themselves, one device each.
        exchanged: Bytes for a sample that go between devices if each does a branch: what is handed out at the beginning
            of sections and gathered at their end.
        exchanged_dense: What would go between them if the same layers were whole and each device made its share of the
            outputs: it would need all inputs.
        before: How alike the outputs are without a refit, on samples that the refit has not seen; None without data.
        after: The same after the refit.

    Example:
        >>> names = ("stem", "one", "two")
        >>> layers = [keras.layers.Dense(8, activation="relu", name=name) for name in names]
        >>> split = branch(keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2, name="head")]), 2)
        >>> split.groups, [one.name for one in split.layers], list(split.skipped)
        (2, ['one', 'two'], ['stem', 'head'])
        >>> split.exchanged, split.exchanged_dense  # bytes for a sample
        (32, 64)
    """

    model: keras.Model = field(repr=False)
    groups: int
    layers: tuple[BranchLayer, ...]
    skipped: Mapping[str, str] = field(repr=False)
    sections: tuple[Section, ...]
    exchanged: int
    exchanged_dense: int
    before: Likeness | None = None
    after: Likeness | None = None
    _dense: Any = field(default=None, repr=False, compare=False)
    _place: Any = field(default=None, repr=False, compare=False)

    def models(self, section: int = 0) -> list[keras.Model]:
        """Return a model for each branch of a section: it takes and makes that branch's channels alone.

        Their outputs, put together along the channels, are what the section makes.

        Args:
            section: Number of the section.

        Raises:
            InputError: If there is no such section.
        """
        if not 0 <= section < len(self.sections):
            raise InputError(f"There is no section {section!r}; there are {len(self.sections)}, from 0.")
        graph, made = self._dense, []
        for number in range(self.groups):
            removed = [label for label, place in self._place.items() if place != number]
            chain = Chain(graph)
            made.append(
                make_stage(chain, self.sections[section].nodes, f"branch_{number + 1}", cut=graph.cut(removed))
            )  # fmt: skip
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, ready for JSON; without the model."""
        return {
            "groups": self.groups,
            "layers": [asdict(one) for one in self.layers],
            "skipped": dict(self.skipped),
            "sections": [{**asdict(one), "nodes": list(one.nodes)} for one in self.sections],
            "exchanged": self.exchanged,
            "exchanged_dense": self.exchanged_dense,
            "before": None if self.before is None else vars(self.before),
            "after": None if self.after is None else vars(self.after),
        }

    def table(self) -> Table:
        """Return a rich table of the layers."""
        table = Table(title=Text(f"{self.model.name}: {self.groups} branches"))
        for column in ("layer", "kept of its connections", "MACs before", "after"):
            table.add_column(column, overflow="fold", justify="left" if column == "layer" else "right")
        for one in self.layers:
            table.add_row(Text(one.name), f"{one.kept:.1%}", f"{one.macs_before:,}", f"{one.macs_after:,}")
        return table

    def __str__(self) -> str:
        lines = [
            f"{self.model.name}: {len(self.layers)} layers in {self.groups} branches, {len(self.sections)} sections "
            "that branches do by themselves",
            f"  between devices: {readable(self.exchanged)} for a sample; {readable(self.exchanged_dense)} if the "
            "layers were whole",
        ]
        if self.before is not None:
            lines += [f"  without a refit: {self.before}", f"  after the refit: {self.after}"]
        return "\n".join(lines)


def branch(
    model: keras.Model,
    groups: int = 2,
    *,
    layers: Sequence[LayerChoice] | None = None,
    data: Any = None,
    samples: int = 512,
    seed: int = 0,
) -> Branched:
    """Return a network in which layers are split into branches side by side, each with its own channels.

    A split layer computes each output from the inputs of its own branch: a convolution in groups, a 1/groups of the
    weights and multiply-accumulates. What connects branches is left out, so that the result is an approximation, which
    for few groups and with a refit can be near and otherwise has to be trained further. Which channels go together is
    chosen over all split layers at once: channels that are strongly connected, by weight times variance, are in one
    branch, so that consecutive split layers, and the element-wise operations between them, exchange nothing. Channels
    are put into the order of the branches in all layers that make and read them; where that is not possible, as for
    the network's own inputs and outputs, a layer is left whole. With data, what is left is refitted in closed form,
    without labels, to give what the whole network's layers give. The given model is only read.

    Ioannou et al., "Deep Roots: Improving CNN Efficiency with Hierarchical Filter Groups", CVPR 2017, for groups; Kim
    et al., "SplitNet: Learning to Semantically Split Deep Networks for Parameter Reduction and Model Parallelization",
    ICML 2017, for branches on several devices, which it learns by training.

    Args:
        model: A built model.
        groups: How many branches, from 2; it has to divide the channels.
        layers: The layers to split (objects, types, names, paths); by default all that can be.
        data: Samples of what the model is used on: anything `fit` takes; labels are not used.
        samples: How many of them are used at most.
        seed: Seed of the clustering.

    Returns:
        The network, and what was split.

    Raises:
        InputError: If no layer can be split, or the channels can't be put into another order.

    Example:
        >>> sizes = [keras.layers.Dense(8, activation="relu", name=name) for name in ("stem", "one", "two")]
        >>> model = keras.Sequential([keras.Input((4,)), *sizes, keras.layers.Dense(2, name="head")])
        >>> split = branch(model, 2)
        >>> [one.name for one in split.layers], split.exchanged, split.exchanged_dense
        (['one', 'two'], 32, 64)
        >>> split.models()[0].count_params() * 2 == sum(model.get_layer(n).count_params() for n in ("one", "two")) - 64
        True
    """
    if not is_integer(groups) or groups < 2:
        raise InputError(f"groups is {groups!r}; give an int from 2: how many branches there are.")
    copied = Network(trace(model))
    graph = trace(copied.model)
    teacher = Network(graph)
    chosen = None if layers is None else copies_of(model, copied, layers)
    splits, skipped = find_splits(graph, groups, chosen)
    if not splits:
        told = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:4])
        raise InputError(f"No layer of {model.name!r} can be split into {groups} branches ({told or 'there is none'}).")
    inputs = None if data is None else Unlabelled(model, data, samples).samples
    spread = {} if inputs is None else deviations(graph, teacher, splits, [x[:LOOKED_AT] for x in inputs])
    tables = [(one.inputs.name, one.outputs.name, strength(one, spread.get(one.node.path))) for one in splits]
    sizes = {group.name: group.size for one in splits for group in (one.inputs, one.outputs)}
    found = cluster(tables, sizes, groups, seed)
    for one in splits:
        take_apart(one, found[one.inputs.name], found[one.outputs.name])
    repaired = None if inputs is None else refit_zeros(graph, teacher, inputs)
    place = reorder(graph, found, groups)
    made = Rebuilt(graph, graph.cut([]), chains={id(one.layer): [InBranches(one.layer, groups)] for one in splits})
    result = made.model()
    carry_compilation(model, result)
    sections, exchanged, dense = communication(graph, splits, place, groups)
    done = []
    for one, (a, b, own) in zip(splits, tables, strict=True):
        kept = float(own[found[a][:, None] == found[b][None]].sum() / max(own.sum(), 1e-30))
        position = next(n for n, node in enumerate(graph.nodes) if node is one.node)
        macs = sum(term.whole for term in graph.walk.macs.get(position, []))
        done.append(BranchLayer(one.node.path, kept, macs, macs // groups))
    return Branched(
        result, groups, tuple(done), skipped, sections, exchanged, dense,
        None if repaired is None else repaired.before, None if repaired is None else repaired.after, graph, place,
    )  # fmt: skip
