"""How strategies are named: a string, a class, an instance or a saved config all reach the same object."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast

import keras

from tfprune.errors import InputError, nearest

__all__ = ["Configurable", "Registry"]

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Configurable:
    """Mixin for dataclasses: the fields are the Keras config."""

    def get_config(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(cast(Any, self)) if f.init}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make an instance from `get_config()`'s result."""
        return cls(**config)


class Registry(Generic[T]):
    """The known strategies of one kind, by name.

    Args:
        kind: What they are called in messages, such as `"criterion"`.
        base: The class that each of them extends.

    Example:
        >>> from tfprune.criteria import criteria
        >>> criteria.get("magnitude")
        Magnitude(order=1)
    """

    def __init__(self, kind: str, base: type[T]) -> None:
        self.kind = kind
        self.base = base
        self._classes: dict[str, type[T]] = {}
        self._aliases: dict[str, tuple[str, dict[str, Any]]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The registered names and aliases, sorted."""
        return tuple(sorted([*self._classes, *self._aliases]))

    def alias(self, name: str, known: str, **options: Any) -> None:
        """Let `name` stand for a registered name, with some constructor arguments."""
        self._aliases[name] = (known, options)

    def register(self, *names: str) -> Callable[[C], C]:
        """Return a class decorator that makes a strategy known by `names` and to Keras serialisation.

        The decorator raises InputError if tfprune has a class of the same name elsewhere.
        """

        def decorate(cls: C) -> C:
            known = keras.saving.get_registered_object(f"tfprune>{cls.__name__}")
            module = getattr(known, "__module__", "")
            if module.startswith("tfprune.") and module != cls.__module__:
                raise InputError(
                    f"There is a {cls.__name__} in {module} already, and a saved config could mean either; "
                    "give the class another name."
                )
            for name in names:
                self._classes[name] = cls
            return cast(C, keras.saving.register_keras_serializable(package="tfprune")(cls))

        return decorate

    def get(self, identifier: object, **overrides: Any) -> T:
        """Return the strategy that `identifier` stands for.

        Args:
            identifier: A registered name or alias, a class, an instance, or a dict made by `serialize`.
            **overrides: Constructor arguments, where `identifier` is a name or a class.

        Raises:
            InputError: If it is none of these; the message has the nearest name.
        """
        if isinstance(identifier, self.base):
            return identifier
        if isinstance(identifier, str):
            known, options = self._aliases.get(identifier, (identifier, {}))
            if known not in self._classes:
                raise InputError(f"Unknown {self.kind} {identifier!r}. {nearest(identifier, self.names)}")
            return self._classes[known](**{**options, **overrides})
        if isinstance(identifier, type) and issubclass(identifier, self.base):
            return identifier(**overrides)
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier)
        raise InputError(
            f"{identifier!r} is not a {self.kind}. Give a name ({', '.join(map(repr, self.names))}), "
            f"or an instance of a subclass of {self.base.__name__}."
        )

    def serialize(self, strategy: T) -> dict[str, Any]:
        """Return a dict of plain values from which `deserialize` makes an equal strategy."""
        return cast(dict[str, Any], keras.saving.serialize_keras_object(strategy))

    def deserialize(self, config: Mapping[str, Any]) -> T:
        """Make the strategy that `serialize` described.

        Raises:
            InputError: If the config does not describe one of this kind.
        """
        try:
            strategy = keras.saving.deserialize_keras_object(dict(config), safe_mode=True)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise InputError(f"This config is not a {self.kind}: {dict(config)!r} ({error}).") from error
        if not isinstance(strategy, self.base):
            raise InputError(f"This config is a {type(strategy).__name__}, not a {self.kind}.")
        return strategy
