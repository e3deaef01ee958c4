"""What a search decides of a network: channels to keep, forms of layers, precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from tfprune.errors import InputError
from tfprune.registry import Configurable

__all__ = ["Plan"]


@keras.saving.register_keras_serializable(package="tfprune")
@dataclass(frozen=True)
class Plan(Configurable):
    """A structure of a network, relative to what it is.

    Args:
        remove: Numbers of the channels that go, by the name of their group (`tfprune.graph.trace(model).groups`).
        forms: The form of factorisation of each layer that is factorised, with its ranks as fractions of the full ones,
            by the layer's name: `{"conv_1": ("spatial", (0.25,))}`. Where a layer loses channels too, it is factorised
            after that.
        precision: How weights are stored: `"float32"`, `"float16"`, `"dynamic"` or `"int8"`.

    Example:
        >>> print(Plan({"conv_1": [0, 3, 4]}, {"conv_2": ("spatial", (0.25,))}, "int8"))
        conv_1: 3 channels fewer; conv_2: spatial 0.25; int8
    """

    remove: Mapping[str, Sequence[int]] = field(default_factory=dict)
    forms: Mapping[str, tuple[str, tuple[float, ...]]] = field(default_factory=dict)
    precision: str = "float32"

    def __post_init__(self) -> None:
        remove = {str(name): sorted(int(number) for number in numbers) for name, numbers in self.remove.items()}
        object.__setattr__(self, "remove", {name: numbers for name, numbers in remove.items() if numbers})
        forms = {str(name): (str(form), tuple(map(float, ranks))) for name, (form, ranks) in self.forms.items()}
        object.__setattr__(self, "forms", forms)

    def __str__(self) -> str:
        parts = [f"{name}: {len(numbers)} channels fewer" for name, numbers in self.remove.items()]
        for name, (form, ranks) in self.forms.items():
            parts.append(f"{name}: {form} {', '.join(f'{rank:.3g}' for rank in ranks)}")
        return "; ".join([*parts, self.precision])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "remove": {name: list(numbers) for name, numbers in self.remove.items()},
            "forms": {name: [form, list(ranks)] for name, (form, ranks) in self.forms.items()},
            "precision": self.precision,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """Make a plan of `to_dict()`'s result.

        Raises:
            InputError: If it is not one.
        """
        try:
            return cls(values["remove"], values["forms"], values["precision"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"This is no plan: {values!r}.") from error
