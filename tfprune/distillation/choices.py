"""Which losses a user has chosen, for which outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from tfprune.distillation.answers import Answer
from tfprune.distillation.base import DistillationLoss, FeatureLoss, OutputLoss, losses
from tfprune.errors import InputError, nearest

__all__ = ["Chosen", "find_losses"]

DEFAULT, OF_VALUES = "dist", "mse"


@dataclass(frozen=True)
class Chosen:
    """The losses of a distillation.

    Args:
        outputs: Those of all outputs; None for the default ones.
        by_output: Those of single outputs, by name; None where all have the same.
        features: Those of layers.
    """

    outputs: Sequence[OutputLoss] | None
    by_output: Mapping[str, Sequence[OutputLoss]] | None
    features: Sequence[FeatureLoss]

    def of_output(self, name: str, kind: str) -> Sequence[OutputLoss]:
        """Return the losses of an output."""
        if self.by_output is not None:
            return self.by_output.get(name, ())
        if self.outputs is not None:
            return self.outputs
        return [losses.get(OF_VALUES if kind == "values" else DEFAULT)]

    def check(self, names: Sequence[str], kinds: Sequence[str], *, has_targets: bool) -> None:
        """Refuse losses that don't fit the outputs.

        Raises:
            InputError: If an output is unknown, or a loss can't compare what an output has.
        """
        for name in self.by_output or ():
            if name not in names:
                raise InputError(f"losses are given for the output {name!r}. {nearest(name, names)}")
        for name, kind in zip(names, kinds, strict=True):
            answer = Answer(ops.zeros((1, 3)), kind)
            for loss in self.of_output(name, kind):
                if loss.needs_targets and not has_targets:
                    raise InputError(
                        f"{type(loss).__name__} needs labels, and the distiller is compiled without a loss; compile "
                        "one, or use 'dist' or 'kd'."
                    )
                loss(answer, answer, ops.ones((1,)), ops.one_hot(ops.zeros((1,), "int32"), 3))

    def get_config(self) -> Any:
        """Return what `find_losses` makes the same of."""
        features = [losses.serialize(loss) for loss in self.features]
        if self.by_output is not None:
            own = {name: [losses.serialize(loss) for loss in found] for name, found in self.by_output.items()}
            return {**own, FEATURES: features} if features else own
        if self.outputs is None and not features:
            return None
        return [losses.serialize(loss) for loss in self.outputs or ()] + features


FEATURES = "features"
"""Among losses that are given by output: those of layers."""


def find_losses(given: Any) -> Chosen:
    """Return the losses that a user has chosen.

    Args:
        given: A name, a loss, a list of them, a dict of them by output; None for the default.

    Raises:
        InputError: If there is none, or one is not a loss.
    """
    if given is None:
        return Chosen(None, None, ())
    if isinstance(given, Mapping) and "class_name" not in given:
        by_output, features = {}, []
        for name, own in given.items():
            found = [make(one) for one in listed(own)]
            by_output[str(name)] = [loss for loss in found if isinstance(loss, OutputLoss)]
            features += [loss for loss in found if isinstance(loss, FeatureLoss)]
        by_output.pop(FEATURES, None)
        if not by_output and not features:
            raise InputError("losses is an empty dict; give at least one, or None for the default.")
        return Chosen(None, by_output, features)
    found = [make(one) for one in listed(given)]
    if not found:
        raise InputError("losses is empty; give at least one, or None for the default.")
    return Chosen(
        [loss for loss in found if isinstance(loss, OutputLoss)],
        None,
        [loss for loss in found if isinstance(loss, FeatureLoss)],
    )


def make(given: Any) -> DistillationLoss:
    """Return the loss that a user means; one of Keras' own as ours."""
    if isinstance(given, keras.distillation.LogitsDistillation):
        return of_logits(given)
    if isinstance(given, keras.distillation.FeatureDistillation):
        own, other = given.student_layer_name, given.teacher_layer_name
        if own is None:
            return losses.get("mse")
        return losses.get("hint", layers={own: other})
    return losses.get(given)


def of_logits(given: Any) -> DistillationLoss:
    """Return Keras' loss of logits as ours.

    Raises:
        InputError: If it compares them by anything else than the Kullback-Leibler divergence.
    """
    own = given.loss
    if isinstance(own, list | tuple | dict):
        raise InputError("This LogitsDistillation has a loss for each output; give ours by output: {'classes': 'kd'}.")
    name = getattr(own, "__name__", type(own).__name__)
    if not isinstance(own, keras.losses.KLDivergence) and own is not keras.losses.kl_divergence:
        raise InputError(
            f"This LogitsDistillation compares by {name}; give one of ours: {', '.join(losses.names)}. "
            "With 'kl_divergence' it is our 'kd'."
        )
    return losses.get("kd", temperature=float(given.temperature))


def listed(given: Any) -> list[Any]:
    """Return losses as a list, one of them too."""
    return list(given) if isinstance(given, list | tuple) else [given]
