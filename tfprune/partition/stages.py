"""`tfprune.partition.partition`: a model for each stage of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from tfprune.console import counted
from tfprune.errors import InputError
from tfprune.files import PathLike
from tfprune.graph import Tensor, trace
from tfprune.partition.chain import Chain
from tfprune.partition.plan import PartitionPlan
from tfprune.partition.planning import fingerprint_of
from tfprune.partition.stage_model import handed_over, make_stage
from tfprune.shown import Shown

__all__ = ["Sent", "Stage", "Stages", "partition"]


@dataclass(frozen=True)
class Sent:
    """A tensor that stages hand over, an input or an output of the network.

    Args:
        name: Its name.
        shape: Its shape, batch first; None for an open size.
        dtype: Its dtype.
        bytes: Its bytes for one sample.
        made_by: Number of the stage that makes it; 0 for an input of the network.
        read_by: Numbers of the stages that read it.
        output: Whether it is an output of the network.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    bytes: int
    made_by: int
    read_by: tuple[int, ...]
    output: bool


@dataclass(frozen=True)
class Stage:
    """One stage: a functional model from some tensors to others, by name.

    Args:
        number: Its number, from 1.
        device: Name of the device that it is for.
        model: The model; it takes and returns a dict.
        inputs: Names of what it gets.
        outputs: Names of what it makes.

    Example:
        >>> from tfprune.partition import Device, Devices, Link, plan_partition
        >>> model = keras.Sequential([keras.Input((8,), name="x"), keras.layers.Dense(4, name="a"),
        ...                           keras.layers.Dense(2, name="b")])
        >>> row = Devices([Device("phone"), Device("server")], Link("1MB/s"))
        >>> first, second = partition(model, plan_partition(model, row, stages=2, latency=[1, 1])).stages
        >>> first.device, first.inputs, first.outputs
        ('phone', ('x',), ('a',))
        >>> second.model(first.model({"x": np.ones((1, 8))}))["b"].numpy().shape
        (1, 2)
    """

    number: int
    device: str
    model: keras.Model = field(repr=False)
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Stages(Shown):
    """The stages of a network. Called one after the other they compute what the network does.

    A stage makes tensors for any later stage; whoever runs them keeps each until it has been read. Called, an instance
    does that in this process.

    Args:
        plan: The plan that they were made by.
        stages: The stages, in order.
        tensors: What is handed over, by name.
        inputs: The structure of the network's inputs, with names in the place of tensors.
        outputs: The structure of its outputs, likewise.

    Example:
        >>> from tfprune.partition import Device, Devices, Link, plan_partition
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)])
        >>> row = Devices([Device("phone"), Device("server")], Link("1MB/s"))
        >>> stages = partition(model, plan_partition(model, row, stages=2, latency=[1, 1]))
        >>> x = np.ones((3, 8), "float32")
        >>> len(stages), bool(np.allclose(stages(x), model(x)))
        (2, True)
    """

    plan: PartitionPlan
    stages: tuple[Stage, ...]
    tensors: Mapping[str, Sent] = field(repr=False)
    inputs: Any = field(repr=False)
    outputs: Any = field(repr=False)

    @property
    def models(self) -> list[keras.Model]:
        """The models, in order."""
        return [one.model for one in self.stages]

    def __len__(self) -> int:
        return len(self.stages)

    def __call__(self, inputs: Any) -> Any:
        """Return what the network makes of a batch, in the structure in which it returns it.

        Args:
            inputs: What the network takes; of several inputs also a dict by their names.
        """
        return tree.map_structure(self.run(self.named(inputs)).__getitem__, self.outputs)

    def named(self, inputs: Any) -> dict[str, Any]:
        """Return the network's inputs by their names.

        Raises:
            InputError: If there are more or fewer than it has.
        """
        names = list(tree.flatten(self.inputs))
        if isinstance(inputs, Mapping) and set(names) <= set(inputs):
            return {name: inputs[name] for name in names}
        values = list(inputs) if isinstance(inputs, tuple | list) and len(names) == 1 else tree.flatten(inputs)
        if isinstance(inputs, tuple | list) and len(names) == 1 and len(values) != 1:
            values = [np.asarray(inputs)]
        if len(values) != len(names):
            raise InputError(
                f"{len(values)} inputs were given; the network has {len(names)}: {', '.join(map(repr, names))}."
            )
        return dict(zip(names, values, strict=True))

    def run(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return all tensors that are handed over, by name, given the network's inputs."""
        known = {name: ops.convert_to_tensor(value, self.tensors[name].dtype) for name, value in values.items()}
        for stage in self.stages:
            known.update(stage.model({name: known[name] for name in stage.inputs}, training=False))
        return known

    def save(self, folder: PathLike, *, overwrite: bool = False, tflite: bool = True) -> None:
        """Write a folder with `stage_1.keras`, `stage_1.tflite` and so on, and `manifest.json`; whole or not at all.

        The manifest has the tensors with their shapes, dtypes, and which stages make and read them, the plan, and the
        versions of what made it. `tfprune.partition.run_stages` runs such a folder, `load_stages` reads it.

        Args:
            folder: The folder; it may exist if it is empty.
            overwrite: Whether what was saved there before may be replaced. Other files are never removed.
            tflite: Whether to write .tflite files too.

        Raises:
            InputError: If the folder is not empty, or there is nowhere to write it.
            ExportError: If a stage can't be converted. Nothing is written then.
        """
        from tfprune.partition.folder import save_stages

        save_stages(self, folder, overwrite=overwrite, tflite=tflite)

    def __str__(self) -> str:
        lines = [
            f"  {one.number}. {one.device}: {one.model.count_params():,} parameters, {', '.join(one.inputs)} -> "
            f"{', '.join(one.outputs)}"
            for one in self.stages
        ]
        return "\n".join([f"{self.plan.model}: {counted(len(self), 'stage')}", *lines])


def partition(model: keras.Model, plan: PartitionPlan) -> Stages:
    """Return a functional model of stock layers for each stage of a plan. The given model is only read.

    A layer that is called in several stages is in each of them. Operations on weights alone are in every stage that
    needs what they make.

    Args:
        model: The model that the plan was made for.
        plan: The plan.

    Returns:
        The stages.

    Raises:
        InputError: If the plan is of another model, or a layer can't be copied.

    Example:
        >>> from tfprune.partition import Device, Devices, Link, plan_partition
        >>> model = keras.Sequential([keras.Input((8,), name="x"), keras.layers.Dense(4, name="a"),
        ...                           keras.layers.Dense(2, name="b")])
        >>> row = Devices([Device("phone"), Device("server")], Link("1MB/s"))
        >>> stages = partition(model, plan_partition(model, row, stages=2, latency=[1, 1]))
        >>> print(stages.stages[1].inputs, stages(np.ones((1, 8))).shape)
        ('a',) (1, 2)
    """
    graph = trace(model)
    if not isinstance(plan, PartitionPlan):
        raise InputError(f"{plan!r} is not a PartitionPlan; tfprune.partition.plan_partition makes one.")
    if plan.fingerprint != fingerprint_of(graph):
        raise InputError(
            f"The plan is for a model {plan.model!r} with other operations than {model.name!r} has; plan it again."
        )
    chain = Chain(graph, [number for stage in plan.stages for number in stage.nodes])
    stages: list[Stage] = []
    makers = dict.fromkeys((x.tensor.index for x in chain.flowing.values() if x.made < 0), 0)
    readers: dict[int, list[int]] = {}
    for stage in plan.stages:
        inputs, outputs = handed_over(chain, stage.nodes)
        made = make_stage(chain, stage.nodes, f"stage_{stage.number}")
        stages.append(
            Stage(stage.number, stage.device, made, tuple(x.name for x in inputs), tuple(x.name for x in outputs))
        )
        makers.update({x.tensor.index: stage.number for x in outputs})
        for x in inputs:
            readers.setdefault(x.tensor.index, []).append(stage.number)
    tensors = {
        x.name: Sent(
            x.name, x.tensor.shape, x.tensor.dtype, x.size, makers[index], tuple(readers.get(index, ())), x.output
        )
        for index, x in chain.flowing.items()
        if index in makers
    }

    def names(structure: Any) -> Any:
        return tree.map_structure(lambda x: chain.flowing[x.index].name if isinstance(x, Tensor) else x, structure)

    return Stages(plan, tuple(stages), tensors, names(graph.trace.inputs), names(graph.trace.outputs))


def sample_inputs(stages: Stages, count: int, seed: int = 0) -> dict[str, Any]:
    """Return made-up inputs of a network by name: normal floats, whole numbers that its embeddings have."""
    from tfprune.inputs.samples import random_samples
    from tfprune.inputs.signature import InputSpec, Signature

    given: Sequence[Sent] = [stages.tensors[name] for name in tree.flatten(stages.inputs)]
    sizes = [
        layer.input_dim
        for model in stages.models
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Embedding)
    ]
    specs = tuple(InputSpec(x.name, x.shape, x.dtype) for x in given)
    made = random_samples(Signature(specs, None), count, seed, min(sizes, default=None))
    return {x.name: values for x, values in zip(given, made, strict=True)}
