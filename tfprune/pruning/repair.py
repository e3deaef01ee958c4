"""What it takes to refit a model in place after weights of it have become zero."""

from __future__ import annotations

from typing import Any

import keras

from tfprune.graph import trace
from tfprune.refit import Network, Repaired, refit_zeros
from tfprune.refit.unlabelled import Unlabelled

__all__ = ["Repair"]


class Repair:
    """A model as it is before it is pruned, and the samples on which it is to be what it was.

    Args:
        model: The model before it is pruned.
        data: Samples: anything `fit` takes; labels are not used.

    Raises:
        InputError: If the data don't fit the model, or it can't be traced.
    """

    def __init__(self, model: keras.Model, data: Any) -> None:
        self.samples = Unlabelled(model, data).samples
        self.graph = trace(model)
        self.teacher = Network(self.graph)

    def run(self, *, progress: bool = False) -> Repaired:
        """Refit the model as it is now; what is zero stays zero."""
        return refit_zeros(self.graph, self.teacher, self.samples, progress=progress)
