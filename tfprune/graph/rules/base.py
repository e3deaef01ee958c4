"""What a rule is, and how it is found: what one kind of layer or operation does with channels."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import keras
from keras.src.ops import core, image, linalg, math, nn, numpy
from numpy.typing import NDArray

from tfprune.graph.node import Node
from tfprune.graph.walk import Flow, Walk

if TYPE_CHECKING:
    from tfprune.graph.cut import Cut

__all__ = ["Rule", "find_rule", "operation_class", "register_rule"]

R = TypeVar("R", bound="type[Rule]")

MODULES = (numpy, nn, core, math, linalg, image)


class Rule(abc.ABC):
    """What one kind of layer or operation does with channels.

    `propagate` moves labels from the inputs to the outputs and binds the variables to them. That is enough for a layer
    whose constructor names no size. Otherwise `config` gives the constructor's new arguments (and `call` the call's)
    after some channels have been removed; the weights are sliced along the labels that they were bound to.

    Example:
        A layer that scales its channels, `Scale(size)`:

        >>> class Scale(keras.Layer):
        ...     def __init__(self, size, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.scale = self.add_weight(shape=(size,), name="scale")
        ...     def call(self, x):
        ...         return x * self.scale
        ...     def get_config(self):
        ...         return {**super().get_config(), "size": self.scale.shape[0]}
        >>> @register_rule(Scale)
        ... class ScaleRule(Rule):
        ...     def propagate(self, node, walk):
        ...         x = walk.flow(node.args[0])
        ...         walk.bind(node.operation.scale, 0, x.axes[-1])
        ...         return x
        ...     def config(self, node, cut):
        ...         return {"size": cut.size(node.operation.scale, 0)}
    """

    @abc.abstractmethod
    def propagate(self, node: Node, walk: Walk) -> Flow | list[Flow]:
        """Return the labels of the outputs, one `Flow` for each tensor that the node makes.

        Args:
            node: The call.
            walk: Reads, makes, binds, unifies and fixes labels; counts multiply-accumulates.
        """

    def made(self, node: Node) -> type:
        """Return the class that is made anew: the node's own, unless it can't have any size."""
        return type(node.operation)

    def config(self, node: Node, cut: Cut) -> dict[str, Any]:
        """Return the constructor arguments that change.

        Args:
            node: The call.
            cut: Tells what is kept.
        """
        return {}

    def call(self, node: Node, cut: Cut, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the call's arguments: those given, with new tensors in them, unless a size among them changes."""
        return args, kwargs

    def after(self, node: Node, cut: Cut, outputs: Any) -> Any:
        """Return the call's result: the one given, unless it has to be corrected for what is gone."""
        return outputs

    def weights(self, node: Node, cut: Cut, variable: keras.Variable, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of a weight: those given, which are sliced already, unless they have to be corrected."""
        return values

    def check(self, node: Node) -> str | None:
        """Return why this call is beyond the rule, or None if it is not."""
        return None


rules: dict[type, Rule] = {}


def register_rule(*classes: type | None) -> Callable[[R], R]:
    """Return a class decorator that teaches the tracer some layers or operations.

    A subclass of a layer that has not overridden `call` follows the same rule.

    Args:
        *classes: Layer or operation classes; None for one that this version of Keras does not have.

    Example:
        >>> import tensorflow as tf
        >>> class Softsign(keras.Layer):
        ...     def call(self, x):
        ...         return tf.nn.softsign(x)  # not of keras.ops, so nobody can look into it
        >>> def groups():
        ...     layers = [keras.layers.Dense(4, name="a"), Softsign(), keras.layers.Dense(2)]
        ...     model = keras.Sequential([keras.Input((8,)), *layers])
        ...     return [group.name for group in tfprune.graph.trace(model).prunable]
        >>> groups()  # of which channels can be removed
        []
        >>> @register_rule(Softsign)
        ... class SoftsignRule(Rule):
        ...     def propagate(self, node, walk):
        ...         return walk.flow(node.inputs[0])  # channels pass one by one
        >>> groups()
        ['a']
    """

    def decorate(rule: R) -> R:
        instance = rule()
        rules.update({cls: instance for cls in classes if cls is not None})
        return rule

    return decorate


def operation_class(name: str) -> type | None:
    """Return the class behind a function of `keras.ops`, None if this version of Keras has none of that name."""
    return next((getattr(module, name) for module in MODULES if hasattr(module, name)), None)


def find_rule(operation: keras.Operation) -> Rule | None:
    """Return the rule for an operation, or None.

    Args:
        operation: The layer or operation.

    Example:
        >>> type(find_rule(keras.layers.ReLU(6.0))).__name__
        'ElementRule'
    """
    for cls in type(operation).__mro__:
        if cls in rules:
            return rules[cls] if getattr(cls, "call", None) is type(operation).call else None
    return None
