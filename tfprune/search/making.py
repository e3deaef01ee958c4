"""A plan made: channels cut, layers factorised, and all refitted on samples."""

from __future__ import annotations

import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree

from tfprune.factorization import plan_factorization
from tfprune.graph import Graph
from tfprune.refit import Network, Unlabelled, cut_and_refit
from tfprune.refit.measure import Likeness, likeness, outputs_of
from tfprune.refit.repair import split
from tfprune.search.plan import Plan
from tfprune.search.precision import converted, file_times, outputs_of_file

__all__ = ["Maker"]


class Maker:
    """Makes plans real, always in the same way: from the whole network, by a refit without labels.

    Args:
        graph: The whole network.
        given: The samples.
        latency: What the whole network takes, in milliseconds; None if nobody asks for that.
        seed: Seed of the choice of rows that layers are refitted on.
    """

    def __init__(self, graph: Graph, given: Unlabelled, latency: float | None = None, seed: int = 0) -> None:
        self.graph, self.given, self.whole_latency, self.seed = graph, given, latency, seed

    def make(self, plan: Plan) -> keras.Model:
        """Return the network of a plan."""
        graph, model = self.graph, self.graph.model
        gone = [int(x) for name, numbers in plan.remove.items() for x in graph.group(name).labels[list(numbers)]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a refit that is left out is a plan that is not so good
            if gone:
                made = cut_and_refit(graph, gone, self.given.samples, teacher=self._teacher, seed=self.seed)
                model = made.model
            if plan.forms:
                inputs = self.given.signature.pack(self.given.samples)
                factors = plan_factorization(
                    model, per_layer=dict(plan.forms), layers=list(plan.forms), data=inputs,
                    samples=len(self.given.samples[0]), seed=self.seed,
                )  # fmt: skip
                model = factors.repair(seed=self.seed).model
        return model

    @cached_property
    def _teacher(self) -> Network:
        return Network(self.graph)

    @cached_property
    def _held(self) -> list[Any]:
        fitted, held = split(self.given.samples)
        return held if len(held[0]) else fitted

    @cached_property
    def _wanted(self) -> list[Any]:
        return outputs_of(self.graph, self._teacher, self._held)

    def likeness(self, model: keras.Model) -> Likeness:
        """Return how alike a network's outputs are to the whole one's, on samples that the refit has not seen."""
        outputs = model.predict(self.given.signature.pack(self._held), verbose=0)
        return likeness(self._wanted, [np.asarray(one, dtype=np.float64) for one in tree.flatten(outputs)])

    def likeness_of_file(self, model: keras.Model, precision: str) -> Likeness:
        """Return the same of the file with some precision."""
        with tempfile.TemporaryDirectory() as folder:
            path = converted(model, self.given, precision, Path(folder))
            return likeness(self._wanted, outputs_of_file(path, self.given, self._held))

    def latency(self, model: keras.Model, precision: str) -> float:
        """Return what a network takes in milliseconds, measured beside the whole one.

        Both take turns, and the ratio counts: what the whole one takes is known from when the search began.
        """
        whole = self.whole_latency
        if whole is None:
            raise RuntimeError("nobody asked for latencies")
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("whole", "made")]
            for path in paths:
                path.mkdir()
            files = [self._whole(paths[0]), converted(model, self.given, precision, paths[1])]
            before, after = file_times(files)
        return whole * after / before

    def _whole(self, folder: Path) -> Path:
        path = folder / "whole.tflite"
        path.write_bytes(self._whole_file)
        return path

    @cached_property
    def _whole_file(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return converted(self.graph.model, self.given, "float32", Path(folder)).read_bytes()
