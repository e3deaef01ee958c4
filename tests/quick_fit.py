"""Training in tests without what takes Keras and TensorFlow long and proves nothing."""

from __future__ import annotations

from keras.src.backend.tensorflow.trainer import TensorFlowTrainer

ORIGINAL = TensorFlowTrainer.make_train_function


def make_train_function(self: TensorFlowTrainer, force: bool = False):
    """Build the optimizer before Keras' own training step is traced: it is traced twice if it is made in there.

    Models with a training step of their own do it as users' do.
    """
    optimizer = getattr(self, "optimizer", None)
    own = type(self).train_step is not TensorFlowTrainer.train_step
    if optimizer is not None and self.built and not own and not optimizer.built and self.trainable_variables:
        with self.distribute_strategy.scope():
            optimizer.build(self.trainable_variables)
    return ORIGINAL(self, force)


def build_optimizers_first(yes: bool = True) -> None:
    """Do so from now on, or no longer."""
    TensorFlowTrainer.make_train_function = make_train_function if yes else ORIGINAL


def hurry() -> None:
    """Build optimizers first; run functions as they were traced, as a few steps take less time than optimizing them."""
    import gc

    import tensorflow as tf

    build_optimizers_first()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    gc.set_threshold(20_000, 10, 10)
