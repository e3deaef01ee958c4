"""Training in tests without what takes Keras and TensorFlow long and proves nothing."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import tree
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
from keras.src.trainers.data_adapters.data_adapter_utils import unpack_x_y_sample_weight

MAKE, BUILD = TensorFlowTrainer.make_train_function, TensorFlowTrainer._maybe_symbolic_build


def make_train_function(self: TensorFlowTrainer, force: bool = False):
    """Build the optimizer before Keras' own training step is traced: it is traced twice if it is made in there.

    Models with a training step of their own do it as users' do.
    """
    optimizer = getattr(self, "optimizer", None)
    own = type(self).train_step is not TensorFlowTrainer.train_step
    if optimizer is not None and self.built and not own and not optimizer.built and self.trainable_variables:
        with self.distribute_strategy.scope():
            optimizer.build(self.trainable_variables)
    return MAKE(self, force)


def build_metrics(self: TensorFlowTrainer, iterator: Any = None, data_batch: Any = None) -> None:
    """Build metrics before a step is traced, for the same reason, of networks whose outputs are known."""
    metrics = getattr(self, "_compile_metrics", None)
    outputs = getattr(getattr(self, "_functional", self), "_outputs_struct", None)
    own = type(self).compute_metrics is not keras.Model.compute_metrics
    if iterator is not None and metrics is not None and not metrics.built and outputs is not None and not own:
        spec = iterator._distributed_dataset.element_spec
        labels = unpack_x_y_sample_weight(spec)[1] if isinstance(spec, tuple) else None
        flat = tree.flatten(labels)
        if flat and all(isinstance(one, tf.TensorSpec) and one.shape.rank for one in flat):
            labels = tree.map_structure(lambda one: keras.KerasTensor(one.shape, one.dtype.name), labels)
            with self.distribute_strategy.scope():
                metrics.build(labels, outputs)
    BUILD(self, iterator, data_batch)


def build_first(yes: bool = True) -> None:
    """Do so from now on, or no longer."""
    TensorFlowTrainer.make_train_function = make_train_function if yes else MAKE
    TensorFlowTrainer._maybe_symbolic_build = build_metrics if yes else BUILD


def hurry() -> None:
    """Build all first; run functions as they were traced, as a few steps take less time than optimizing them."""
    import gc

    build_first()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    gc.set_threshold(20_000, 10, 10)
