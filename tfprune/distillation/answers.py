"""What networks answer: probabilities, logits or values, brought to one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops, tree

from tfprune.errors import InputError, nearest

__all__ = ["KINDS", "Answer", "kinds_of"]

KINDS = ("softmax", "logits", "sigmoid", "binary_logits", "values")
"""Probabilities of classes, their logits; probabilities of single labels, their logits; numbers of a regression."""

SMALLEST = 1e-7


@dataclass(frozen=True)
class Answer:
    """One output of a network, a row for each sample and position.

    Args:
        values: Float tensor (rows, units).
        kind: One of `KINDS`.

    Example:
        >>> answer = Answer(np.array([[2.0, 0.0]], "float32"), "logits")
        >>> for temperature in (1.0, 4.0):
        ...     print(np.asarray(answer.probabilities(temperature)).round(2))
        [[0.88 0.12]]
        [[0.62 0.38]]
    """

    values: Any
    kind: str

    @property
    def scores(self) -> Any:
        """Logits up to a constant of each row, or the values of a regression: (rows, units)."""
        if self.kind == "softmax":
            return ops.log(ops.maximum(self.values, SMALLEST))
        if self.kind == "sigmoid":
            inside = ops.clip(self.values, SMALLEST, 1.0 - SMALLEST)
            return ops.log(inside) - ops.log1p(-inside)
        return self.values

    @property
    def has_classes(self) -> bool:
        """Whether the units are classes of which one is right."""
        return self.kind in ("softmax", "logits")

    def log_probabilities(self, temperature: float, what: str) -> Any:
        """Return log-probabilities at a temperature, (rows, labels, classes): of one label, or yes and no of each.

        Args:
            temperature: Divides the logits.
            what: Who asks, for the message.

        Raises:
            InputError: If these are values of a regression.
        """
        if self.kind == "values":
            raise InputError(
                f"{what} compares probabilities, and this output is that of a regression; give 'mse', 'smooth_l1', "
                "'cosine' or 'dist', or kinds='logits' if these are classes."
            )
        scores = self.scores / temperature
        pairs = scores[:, None, :] if self.has_classes else ops.stack([ops.zeros_like(scores), scores], axis=-1)
        return ops.log_softmax(pairs, axis=-1)

    def probabilities(self, temperature: float) -> Any:
        """Return probabilities at a temperature, (rows, units); the values themselves of a regression."""
        if self.kind == "values":
            return self.values
        scores = self.scores / temperature
        return ops.softmax(scores, axis=-1) if self.has_classes else ops.sigmoid(scores)


def kinds_of(model: keras.Model, outputs: Any, loss: Any, given: Any = None) -> list[str]:
    """Return what each output of a model is, in the order of `keras.tree.flatten`.

    An output that ends in a softmax or sigmoid has probabilities. Of others the loss tells: a cross-entropy takes
    logits or probabilities, anything else values.

    Args:
        model: The model.
        outputs: Its outputs: tensors or symbols.
        loss: What it was compiled with: a loss, its name, or several in the structure of the outputs; None if there is
            none.
        given: What the user says: one of `KINDS`, or several in the structure of the outputs.

    Raises:
        InputError: If the user's is none of these, or nothing says what an output is.
    """
    flat = tree.flatten(outputs)
    if given is not None:
        told = [given] * len(flat) if isinstance(given, str) else tree.flatten(given)
        for kind in told:
            if kind not in KINDS:
                raise InputError(f"kinds has {kind!r}. {nearest(kind, KINDS)}")
        if len(told) != len(flat):
            raise InputError(f"kinds has {len(told)} entries, but there are {len(flat)} outputs; give one for each.")
        return told
    found = []
    for symbol, own in zip(flat, losses_of(outputs, loss), strict=True):
        activation = activation_of(symbol)
        if activation in ("softmax", "sigmoid"):
            found.append(activation)
        elif own is None:
            raise InputError(
                f"Nothing says whether the output of {model.name!r} with {symbol.shape[-1]} units has logits or "
                "values: it ends in no softmax or sigmoid, and no loss is known. Compile a loss, or give kinds, such "
                "as kinds='logits'."
            )
        else:
            found.append(kind_for(own))
    return found


def kind_for(loss: Any) -> str:
    """Return what a loss takes."""
    name = str(loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)).lower()
    if "entropy" not in name:
        return "values"
    logits = bool(getattr(loss, "from_logits", False))
    if "binary" in name:
        return "binary_logits" if logits else "sigmoid"
    return "logits" if logits else "softmax"


def losses_of(outputs: Any, loss: Any) -> list[Any]:
    """Return the loss of each output; None of one without."""
    flat = tree.flatten(outputs)
    if isinstance(loss, Mapping):
        names = sorted(outputs) if isinstance(outputs, Mapping) else [name_of(symbol) for symbol in flat]
        return [loss.get(name) for name in names]
    if isinstance(loss, list | tuple):
        return list(loss) if len(loss) == len(flat) else [None] * len(flat)
    return [loss] * len(flat)


def name_of(symbol: Any) -> str | None:
    """Return the name of the layer that makes a symbol."""
    history = getattr(symbol, "_keras_history", None)
    return None if history is None else str(history.operation.name)


def activation_of(symbol: Any) -> str | None:
    """Return the activation that makes a symbol, by its name; None if there is none, or nobody knows."""
    history = getattr(symbol, "_keras_history", None)
    if history is None:
        return None
    operation = history.operation
    if isinstance(operation, keras.Model) and operation.outputs and len(operation.outputs) == 1:
        return activation_of(operation.outputs[0])
    if type(operation).__name__.lower() in ("softmax", "sigmoid"):
        return type(operation).__name__.lower()
    inner = getattr(operation, "layer", operation)  # a TimeDistributed
    activation = getattr(inner, "activation", None)
    if activation is None and operation.__class__.__name__ in ("Reshape", "Flatten", "Identity", "Cast"):
        return activation_of(history.operation.input)
    return getattr(activation, "__name__", None)
