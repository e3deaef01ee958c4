"""Variables that a layer reads as something else while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

__all__ = ["Reading"]


class Reading(keras.StatelessScope):  # type: ignore[misc]
    """Within it some variables are read as something else; whatever is written is written at once.

    Args:
        values: The tensor that each is read as, by `id`.
        owner: The layer that runs within it.
    """

    def __init__(self, values: Mapping[int, Any], owner: keras.Layer) -> None:
        super().__init__(collect_losses=True, initialize_variables=False)
        self.state_mapping = dict(values)
        self.owner = owner

    def add_update(self, update: tuple[keras.Variable, Any]) -> None:
        """Write a value to its variable."""
        variable, value = update
        variable._direct_assign(value)

    def __exit__(self, *args: Any, **kwargs: Any) -> None:
        """Hand what layers have added to the loss to them."""
        super().__exit__(*args, **kwargs)
        for layer in (self.owner, *self.owner._flatten_layers(include_self=False)):
            layer._losses.extend(loss for loss in self.losses if id(loss) in layer._loss_ids)
