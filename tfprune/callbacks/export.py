"""Export to TFLite when training ends."""

from __future__ import annotations

from typing import Any

import keras

from tfprune.callbacks.last_word import WRITE, running_list, speak_last
from tfprune.callbacks.stored import stored_target
from tfprune.callbacks.student import student_of
from tfprune.export import ExportResult, to_tflite
from tfprune.export.checks import check_arguments, check_tolerance
from tfprune.export.converter import Settings
from tfprune.export.sparse import storage
from tfprune.files import PathLike
from tfprune.targets import Target, find_target

__all__ = ["TFLiteExportCallback"]


@keras.saving.register_keras_serializable(package="tfprune")
class TFLiteExportCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the trained model as a .tflite file when `fit` ends, and compares the two.

    The destination and the arguments are checked before the first step, so that a file which may not be overwritten
    is known at once and not after hours of training. The outcome is in `result`. Of a model with a `student` (a
    distiller) the student is exported. See `tfprune.to_tflite` for what each argument means.

    Args:
        path: The file to write; it ends in ".tflite".
        quantize: "float32" or None, "float16", "dynamic", "int8" or "int16x8"; by default float32, float16 if sparse.
        sparse: Whether to leave zeros out of the file.
        target: The device that the file is for; what fails there is refused.
        representative_data: Typical inputs, for "int8" and "int16x8".
        parity_data: Inputs on which to compare the file with the model.
        batch_size: The number of samples that the file takes at once, or None to leave it open.
        input_shape: The shape of one sample, for models with open axes.
        io_dtype: "float32", "int8" or "uint8".
        overwrite: Whether an existing file may be replaced.
        seed: The seed of random inputs for the comparison.
        tolerance: The largest relative difference allowed.
        verify: Whether to compare at all.

    Attributes:
        result: The `ExportResult` of the last `fit`, or None before it ended.

    Example:
        >>> import numpy as np, tempfile
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export = TFLiteExportCallback(folder + "/model.tflite", quantize="float16")
        ...     _ = model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0, callbacks=[export])
        >>> export.result.quantize
        'float16'
    """

    def __init__(
        self,
        path: PathLike,
        *,
        quantize: str | None = "auto",
        sparse: bool | None = None,
        target: str | Target | None = None,
        representative_data: Any = None,
        parity_data: Any = None,
        batch_size: int | None = 1,
        input_shape: Any = None,
        io_dtype: str = "float32",
        overwrite: bool = False,
        seed: int = 0,
        tolerance: float | None = None,
        verify: bool = True,
    ) -> None:
        super().__init__()
        self.path = str(path)
        self.overwrite = overwrite
        self.options: dict[str, Any] = {
            "quantize": quantize,
            "sparse": sparse,
            "target": target,
            "representative_data": representative_data,
            "parity_data": parity_data,
            "batch_size": batch_size,
            "input_shape": input_shape,
            "io_dtype": io_dtype,
            "seed": seed,
            "tolerance": tolerance,
            "verify": verify,
        }
        self.result: ExportResult | None = None
        self._others: keras.callbacks.CallbackList | None = None

    def set_model(self, model: keras.Model) -> None:
        """Look for the other callbacks, to come after them at the end."""
        super().set_model(model)
        self._others = running_list()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check the arguments and the destination."""
        if self._others is not None:
            speak_last(self._others, self._write, WRITE)
        options = self.options
        quantize = storage(student_of(self.model), options["quantize"], sparse=False)  # the zeros are yet to come
        settings = Settings(quantize, bool(options["sparse"]), options["io_dtype"])
        if options["target"] is not None:
            find_target(options["target"])
        data, batch_size = options["representative_data"], options["batch_size"]
        check_arguments(self.path, settings, data, batch_size, overwrite=self.overwrite)
        check_tolerance(options["tolerance"], verify=options["verify"])
        self.result = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write the file, if nobody is left to call us after the others."""
        if self._others is None:
            self._write()

    def _write(self) -> None:
        self._others = None
        self.result = to_tflite(student_of(self.model), self.path, overwrite=self.overwrite, **self.options)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; data are given as they are."""
        target = stored_target(self.options["target"])
        return {"path": self.path, "overwrite": self.overwrite, **self.options, "target": target}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TFLiteExportCallback:
        """Make a callback from the arguments that `get_config` returned, serialised by Keras or not."""
        return cls(
            **{
                key: keras.saving.deserialize_keras_object(value) if _stored(value) else value
                for key, value in config.items()
            }
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> TFLiteExportCallback:
        """Return an unused callback with the same arguments; data sets, which may not be copyable, are shared."""
        return type(self)(self.path, overwrite=self.overwrite, **self.options)


def _stored(value: Any) -> bool:
    """Tell what Keras has serialised (an array, a tuple, a list or dict of them) from plain values."""
    if isinstance(value, dict):
        return "class_name" in value or any(map(_stored, value.values()))
    return isinstance(value, list) and any(map(_stored, value))
