"""Quantisation-aware fine-tuning as a plug-in: `model.fit(..., callbacks=[QuantizeCallback()])`."""

from __future__ import annotations

from typing import Any

import keras

from tfprune.arguments import named_arguments
from tfprune.callbacks.clock import Clock
from tfprune.callbacks.gate import GateCallback, forget_steps
from tfprune.callbacks.guard import Guard
from tfprune.callbacks.last_word import PRUNE, running_list, speak_last
from tfprune.callbacks.student import student_of
from tfprune.errors import InputError
from tfprune.numbers import is_integer, is_real
from tfprune.quantization import FakeQuantized, KeptZeros, detach_calls, release_zeros

__all__ = ["QuantizeCallback"]

LEAST = 20
"""Batches that ranges learn from at least, also where a training is resumed after they were frozen."""


@keras.saving.register_keras_serializable(package="tfprune")
class QuantizeCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Trains a model as the int8 .tflite file of it will compute, so that the file is about as accurate.

    Kernels are read rounded to integers of a scale for each output channel, `w ≈ s_c · q` with
    `s_c = max |w_c| / (2^(bits − 1) − 1)`. Activations are rounded wherever TFLite has an int8 tensor, to
    `x ≈ s · (q − z)` with one scale, whose range is a moving average of minima and maxima. Gradients pass as if nothing
    was rounded, and end where a value is clipped (Jacob et al. 2018, "Quantization and Training of Neural Networks for
    Efficient Integer-Arithmetic-Only Inference"). Validation in `fit` sees the rounded network.

    The model stays the object that it is, and when `fit` ends, by an exception too, nothing of this is left but the
    trained weights. Zeros are zero at any scale: weights that are zero stay so, and `PruneCallback` may prune in the
    same `fit`. Afterwards, export: `tfprune.to_tflite(model, path, quantize="int8", representative_data=x)`.

    Train with a small learning rate, a tenth of the usual, for a few epochs.

    Args:
        bits: Bits of a weight, from 4 to 8. With fewer than 8, kernels are rounded to their values when `fit` ends.
        activations: Whether activations are rounded too, to 8 bits.
        freeze: Part of the training after which ranges of activations stay as they are, in [0, 1].
        momentum: How much of a range stays at each batch, in [0, 1).
        keep_zeros: Whether weights that are zero at the beginning stay zero.
        verbose: 1 prints what is quantised, 0 nothing.

    Raises:
        InputError: If an argument is not one of the allowed values; at once, or at the start of `fit` where it depends
            on the model.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                           keras.layers.Dense(2)])
        >>> model.compile(keras.optimizers.Adam(1e-4), "mse")
        >>> x, y = keras.random.normal((64, 8)), keras.random.normal((64, 2))
        >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[QuantizeCallback()])
        tfprune: 2 kernels computed with 8-bit weights, 3 activations with 8 bits
    """

    @named_arguments(num_bits="bits is the bits of a weight", quantize_activations="give activations=True or False")
    def __init__(
        self,
        *,
        bits: int = 8,
        activations: bool = True,
        freeze: float = 0.5,
        momentum: float = 0.95,
        keep_zeros: bool = True,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        if not is_integer(bits) or not 4 <= bits <= 8:
            raise InputError(f"bits is {bits!r}; give an int from 4 to 8.")
        if not is_real(freeze) or not 0.0 <= freeze <= 1.0:
            raise InputError(f"freeze is {freeze!r}; give a part of the training, from 0 to 1.")
        if not is_real(momentum) or not 0.0 <= momentum < 1.0:
            raise InputError(f"momentum is {momentum!r}; give a number from 0 to less than 1.")
        for name, value in (("activations", activations), ("keep_zeros", keep_zeros)):
            if not isinstance(value, bool):
                raise InputError(f"{name} is {value!r}; give True or False.")
        self.bits, self.activations, self.freeze, self.momentum = int(bits), activations, float(freeze), float(momentum)
        self.keep_zeros, self.verbose = keep_zeros, verbose
        self._others: keras.callbacks.CallbackList | None = None
        self._guard = Guard(None, self._restore)
        self._running: tuple[FakeQuantized, KeptZeros, Clock] | None = None
        self._batches = 0
        self._apply_ourselves: bool | None = None

    def set_model(self, model: keras.Model) -> None:
        """Take off what an interrupted training has left, and have the steps traced anew."""
        super().set_model(model)
        detach_calls(student_of(model))
        release_zeros(student_of(model))
        forget_steps(model)
        self._others = running_list()
        self._running = None
        self._guard = Guard(self._others, self._restore)

    def on_train_begin(self, logs: Any = None) -> None:
        """Have the layers compute fake-quantised, keep the zeros, and print what is quantised."""
        student, strategy = student_of(self.model), self.model.distribute_strategy
        callbacks = [] if self._others is None else self._others.callbacks
        if any(isinstance(other, GateCallback) for other in callbacks):
            raise InputError("Gates and quantisation replace the same calls; call fit once with each of them.")
        quantized = FakeQuantized(
            student, bits=self.bits, activations=self.activations, momentum=self.momentum, strategy=strategy
        )
        variables = [kernel.variable for kernel in quantized.kernels]
        clock = Clock(self.model, variables, self.params.get("epochs", 1), self.params.get("steps"))
        quantized.attach()
        zeros = KeptZeros(variables if self.keep_zeros else [], strategy)
        self._running = quantized, zeros, clock
        self._batches, self._apply_ourselves = 0, None
        if self._others is not None:
            speak_last(self._others, self._finish, PRUNE)
        if self.verbose:
            rounded = f", {len(quantized.ranges)} activations with 8 bits" if self.activations else ""
            kept = f"; {zeros.count:,} zeros stay" if zeros.count else ""
            print(f"tfprune: {len(variables)} kernels computed with {self.bits}-bit weights{rounded}{kept}")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note that an epoch begins."""
        self._parts()[2].begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Let ranges learn from this batch, unless they are frozen."""
        quantized, _, clock = self._parts()
        self._guard.watch(self.model)
        quantized.start_step()
        progress = clock.step() / clock.total_steps if clock.total_steps else 0.0
        quantized.ranges.learning.assign(progress < self.freeze or self._batches < LEAST)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """See to it that zeros hold where no Keras optimizer applies masks."""
        quantized, zeros, clock = self._parts()
        clock.end_batch(batch)
        self._batches += 1
        quantized.ranges.learning.assign(False)
        if self._apply_ourselves is None:
            self._apply_ourselves = not zeros.hold()
        if self._apply_ourselves:
            zeros.apply()

    def on_test_begin(self, logs: Any = None) -> None:
        """Watch the steps on validation data."""
        if self._running is not None:
            self._guard.watch(self.model)
            self._running[0].start_step()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Learn the length of an epoch if the data did not say it."""
        self._parts()[2].end_epoch()

    def on_train_end(self, logs: Any = None) -> None:
        """Let the layers compute as they are, if nobody is left to call us after the others."""
        if self._others is None:
            self._finish()

    def _parts(self) -> tuple[FakeQuantized, KeptZeros, Clock]:
        if self._running is None:
            raise RuntimeError("QuantizeCallback is called outside a training; pass it to fit(callbacks=[…]).")
        return self._running

    def _finish(self) -> None:
        quantized, zeros, _ = self._parts()
        zeros.apply()
        self._restore()
        if self.bits < 8:
            quantized.round_kernels()

    def _restore(self) -> None:
        self._guard.rest()
        if self._running is None:
            return
        quantized, zeros, _ = self._running
        quantized.detach()
        zeros.release()
        forget_steps(self.model)
        self._others = self._running = None

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            "bits": self.bits, "activations": self.activations, "freeze": self.freeze, "momentum": self.momentum,
            "keep_zeros": self.keep_zeros, "verbose": self.verbose,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizeCallback:
        """Make a callback from `get_config()`'s result."""
        return cls(**config)
