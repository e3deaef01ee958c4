"""Layers, a loss and a nested class of a user's, in a module of their own."""

import keras


@keras.saving.register_keras_serializable("own_layers")
class Scaled(keras.layers.Layer):
    """Multiplies by a number that is in its config."""

    def __init__(self, factor=2.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Unregistered(Scaled):
    """Is not known to Keras."""


class Outer:
    """Holds a layer."""

    @keras.saving.register_keras_serializable("own_layers")
    class Inner(Scaled):
        """Is known to Keras, though not by its module's name for it."""


@keras.saving.register_keras_serializable("own_layers")
def shifted(y_true, y_pred):
    """Cross-entropy and one."""
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True) + 1.0
