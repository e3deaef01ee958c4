"""What is known of a model's weights and channels: computed when a criterion asks for it, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfprune.backend import backend
from tfprune.criteria import Criterion
from tfprune.errors import WRAPPER, InputError, SparsityError, nearest
from tfprune.graph import ChannelGroup, Graph, trace
from tfprune.graph.trace import first_line
from tfprune.name_scopes import kept_name_scopes
from tfprune.statistics.examples import Examples
from tfprune.statistics.registry import CHANNEL_STATISTICS, WEIGHT_STATISTICS, Statistic

__all__ = ["Study"]

Array = NDArray[Any]
OWN = ("weights", "rng")
OWN_OF_CHANNELS = ("weights", "rng", "filters", "scale")


class Study:
    """Statistics of one model on one set of samples.

    Args:
        model: A built model; it is only read.
        data: Anything `fit` takes, with labels if criteria ask for gradients of the loss; None for criteria that look
            at weights only.
        samples: How many of them are used at most.
        batch: How many go through the network at once.
        seed: Seed of random probes.
        progress: Whether to show a progress bar on a terminal.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.layers[0].kernel.assign([[1.0], [1.0]])
        <...>
        >>> model.compile(loss="mse")
        >>> study = Study(model, (np.array([[1.0, 2.0]]), np.array([[0.0]])))
        >>> study.of_weights("gradient", [model.layers[0].kernel])[0].tolist()  # 2 (3 - 0) x
        [[6.0], [12.0]]
    """

    def __init__(
        self,
        model: keras.Model,
        data: Any = None,
        *,
        samples: int = 512,
        batch: int = 32,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        self.model = model
        self.data = data
        self.samples, self.batch = samples, batch
        self.seed = seed
        self.progress = progress
        self.watched: Callable[[Sequence[keras.Variable]], list[Array]] | None = None
        self.layer_errors: list[Array] | None = None  # kept by sensitivity.layer_errors
        self._known: dict[tuple[str, tuple[int, ...]], list[Array]] = {}

    @cached_property
    def examples(self) -> Examples:
        """The samples."""
        if self.data is None:
            raise InputError("This criterion needs data: give data=, anything fit takes.")
        return Examples(self.model, self.data, self.samples, self.batch)

    @cached_property
    def graph(self) -> Graph:
        """The model as a graph."""
        return trace(self.model)

    def check(self, criterion: Criterion, *, channels: bool = False, training: bool = False) -> None:
        """Raise InputError if something that a criterion asks for can't be had.

        Args:
            criterion: The criterion.
            channels: Whether whole channels are scored.
            training: Whether training goes on, so that movements can be seen.
        """
        if not criterion.for_weights and not channels:
            criterion.score()  # says so
        own = OWN_OF_CHANNELS if channels else OWN
        there = WEIGHT_STATISTICS | (CHANNEL_STATISTICS if channels else {})
        for name in criterion.asks(channels=channels):
            if name in own:
                continue
            if name not in there:
                if backend() != "tensorflow":
                    raise InputError(
                        f"{criterion} asks for {name!r}, which can't be had on {backend()!r}: gradients and "
                        "activations are taken with TensorFlow. Give a criterion of weights or of what layers get, "
                        "such as 'magnitude', 'wanda' or 'obs', or set KERAS_BACKEND=tensorflow."
                    )
                raise InputError(f"{criterion} asks for {name!r}. {nearest(name, [*own, *there])}")
            self._check_needs(criterion, there[name], training)

    def _check_needs(self, criterion: Criterion, statistic: Statistic, training: bool) -> None:
        if statistic.needs == "nothing" or (statistic.needs == "training" and training):
            return
        labels = statistic.needs in ("labels", "training")
        with_labels = " with labels, such as (x, y)" if labels else ", without labels"
        if self.data is None:
            raise InputError(f"{criterion} needs data{with_labels}: give data=, anything fit takes.")
        if not labels:
            return
        if self.examples.y is None:
            raise InputError(
                f"{criterion} needs labels, and data has none; give (x, y), or a criterion that needs none: "
                "'jacobian', 'wanda', 'obs', 'activation', 'magnitude'."
            )
        if not getattr(self.model, "compiled", False) or self.model.loss is None:
            raise InputError(f"{criterion} needs a loss; compile {self.model.name!r} with the one it is trained with.")

    def refresh(self) -> None:
        """Forget what was computed, as weights have changed."""
        self._known.clear()

    def of_weights(self, name: str, variables: Sequence[keras.Variable]) -> list[Array]:
        """Return a statistic of some variables, an array of the shape of each.

        Raises:
            SparsityError: If it is not finite.
        """
        key = (name, tuple(id(variable) for variable in variables))
        if key not in self._known:
            found = WEIGHT_STATISTICS[name].compute(self, list(variables))
            for variable, values in zip(variables, found, strict=True):
                check_statistic(name, variable.path, values)
            self._known[key] = found
        return self._known[key]

    def of_channels(self, name: str, groups: Sequence[ChannelGroup]) -> list[Array]:
        """Return a statistic of the channels of some groups, an array (channels, …) for each.

        Raises:
            SparsityError: If it is not finite.
        """
        key = (name, tuple(id(group) for group in groups))
        if key not in self._known:
            found = CHANNEL_STATISTICS[name].compute(self, list(groups))
            for group, values in zip(groups, found, strict=True):
                check_statistic(name, group.name, values)
            self._known[key] = found
        return self._known[key]

    def loss(self, x: Any, y: Any, weight: Any) -> Any:
        """Return the mean loss of a batch as `fit` counts it, without penalties on weights."""
        return loss_of(self.model, x, y, weight)

    def run(self, function: Any, *arguments: Any) -> Any:
        """Call a compiled function, and say what is wrong with data that it can't take."""
        from tensorflow import errors

        try:
            with kept_name_scopes():
                return function(*arguments)
        except (ValueError, TypeError, errors.InvalidArgumentError) as error:
            if isinstance(error, InputError):
                raise
            lines = (str(error).strip() or type(error).__name__).splitlines()
            told = first_line(error) if WRAPPER in str(error) else lines[-1].strip()
            raise InputError(
                f"The loss of {self.model.name!r} can't be computed on data ({told}); give labels as fit takes them."
            ) from error


def loss_of(model: keras.Model, x: Any, y: Any, weight: Any) -> Any:
    """Return the mean loss of a batch, without penalties on weights."""
    outputs = model(x, training=False)
    total = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weight, training=False)
    if type(model).compute_loss is keras.Model.compute_loss and model.losses:
        total = total - sum(keras.ops.cast(own, total.dtype) for own in model.losses)
    return total


def check_statistic(name: str, path: str, values: Array) -> None:
    """Raise SparsityError if values are not finite."""
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise SparsityError(
            f"The {name.replace('_', ' ')} of {path} has {bad} of {values.size} values that are not finite; nothing "
            "has been pruned. Look for NaN in the data, or a loss that overflows."
        )
