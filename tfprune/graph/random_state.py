"""What the random layers of a model draw next: `.keras` files don't hold it."""

from __future__ import annotations

import random

import keras

from tfprune.graph.tree import walk

__all__ = ["random_states", "restart_random_states"]


def random_states(model: keras.Model) -> list[keras.Variable]:
    """Return the states of a model's random layers, in the order of creation."""
    return [generator.state for _, layer in walk(model) for generator in layer._seed_generators]


def restart_random_states(model: keras.Model, seed: int) -> None:
    """Seed everything that draws random numbers, and let random layers draw as if they were new.

    A layer with a seed of its own begins with that one again; another gets one from the given seed and its path. So
    what they draw depends neither on what was drawn before nor on whether the model was loaded from a file.

    Args:
        model: The model.
        seed: The seed.

    Example:
        >>> from tfprune.graph.random_state import restart_random_states
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.5)])
        >>> restart_random_states(model, 3)
        >>> first = model(np.ones((1, 8)), training=True)
        >>> restart_random_states(model, 3)
        >>> bool(np.all(first == model(np.ones((1, 8)), training=True)))
        True
    """
    keras.utils.set_random_seed(seed)
    for path, layer in walk(model):
        for number, generator in enumerate(layer._seed_generators):
            own = generator._initial_seed
            first = random.Random(f"{seed}/{path}/{number}").randint(1, 10**9) if own is None else own
            generator.state.assign([first, 0])
