"""The way from a Keras model to a .tflite file that has been compared with it."""

from __future__ import annotations

import gzip
import hashlib
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfprune.backend import backend
from tfprune.errors import ExportError
from tfprune.export import checks, parity
from tfprune.export.child import ConverterCrashError, convert_in_child
from tfprune.export.converter import Settings, convert, quiet
from tfprune.export.explain import explain
from tfprune.export.handover import save_by_tensorflow
from tfprune.export.precision import float32_twin, reduced_precision
from tfprune.export.result import ExportResult, Parity
from tfprune.export.sparse import check_loadable, check_sparse, storage
from tfprune.export.stored import Stored, read_stored
from tfprune.export.trace import save_for_conversion
from tfprune.files import PathLike, atomic_path
from tfprune.inputs.samples import Arrays, first_batch, gather, random_samples
from tfprune.inputs.signature import Signature, signature_of
from tfprune.targets import Target, find_target
from tfprune.version import __version__, versions_of

__all__ = ["to_tflite"]

CALIBRATION_SAMPLES = 256
PARITY_SAMPLES = 128
RANDOM_SAMPLES = 8


@dataclass(frozen=True)
class _Data:
    calibration: Arrays | None
    comparison: Arrays
    source: str


def to_tflite(
    model: Any,
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
) -> ExportResult:
    """Convert a Keras model to a .tflite file and compare the two on data.

    The file uses TFLite's built-in operations only, has the signature "serving_default" with Keras' input names, and
    appears at `path` only after it has been run (in a process of its own) and has given Keras' outputs. The model is
    not changed. A model in mixed or half precision is exported by way of a float32 copy.

    Args:
        model: A built Keras model: functional, sequential or subclassed.
        path: The file to write; it ends in ".tflite".
        quantize: How to store weights: "float32" or None; "float16" (half the size); "dynamic" (8-bit weights,
            activations quantised while running); "int8" (8-bit weights and activations); "int16x8" (16-bit
            activations, 8-bit weights). The last two need `representative_data`. By default float32; float16 for a
            sparse file, unless it has Dense layers with blocks of zeros, which are fast in float32 only.
        sparse: Whether to leave the zeros of a pruned model out of the file. Makes it smaller; only some models also
            become faster, which `tfprune.lint` tells. A file that some device can't load, or computes wrong numbers
            with, is refused.
        target: The device that the file is for, such as "android-cpu" or "microcontroller": only what fails there is
            refused. By default it has to work everywhere but on microcontrollers.
        representative_data: Typical inputs that show the range of every activation: an array; a tuple, list or dict
            of arrays for several inputs; an (x, y) pair; a `tf.data.Dataset` or any iterable of batches. Labels are
            ignored. At most 256 samples are used: evenly spaced ones of arrays, the first ones of iterables.
        parity_data: Inputs, in the same forms, on which to compare file and model (128 at most); by default
            `representative_data`, or else random inputs, which the result then says.
        batch_size: The number of samples that the file takes at once, or None to leave it open (slower in some
            runtimes, impossible for recurrent layers that aren't unrolled).
        input_shape: The shape of one sample for models with open axes; a list of shapes for several inputs.
        io_dtype: What an "int8" file takes and gives: "float32", "int8" or "uint8". An operation without an
            integer kernel is computed in float all the same; the result's notes name it.
        overwrite: Whether an existing file may be replaced.
        seed: The seed of random inputs.
        tolerance: The largest difference allowed, relative to the largest value of an output. By default 1e-3 for
            float32 and 2e-2 for float16; with quantised activations the difference is reported, not judged.
        verify: Whether to run and compare the file at all. Without it, a file that the runtime
            can't load goes unnoticed.

    Returns:
        Sizes, inputs and outputs, agreement with Keras.

    Raises:
        InputError: If an argument can't be used; nothing has been written.
        ExportError: If the model can't be converted, or if the file differs from it; nothing has been written.

    Example:
        >>> import keras, tempfile
        >>> model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = to_tflite(model, folder + "/small.tflite", quantize="float16")
        >>> result.inputs[0].name, result.parity.source
        ('x', 'random')
    """
    device = None if target is None else find_target(target)
    quantize = storage(model, quantize, sparse=bool(sparse))
    settings = Settings(quantize, bool(sparse), io_dtype)
    destination = checks.check_arguments(path, settings, representative_data, batch_size, overwrite=overwrite)
    checks.check_tolerance(tolerance, verify=verify)
    checks.check_model(model)
    notes = check_sparse(model, quantize) if sparse else []
    example = first_batch(parity_data if parity_data is not None else representative_data)
    signature = signature_of(model, batch_size=batch_size, input_shape=input_shape, sample=example)
    data = _data(model, signature, representative_data, parity_data, seed)
    source = reduced_precision(model)
    converted = model if source is None else float32_twin(model)
    if source is not None:
        notes.append(f"The model computes in {source}; a float32 copy of it was converted.")
    content, names = _convert(converted, signature, settings, data.calibration)
    notes += check_loadable(content, device, model)
    stored = read_stored(content)
    notes += checks.remarks(stored, settings)
    limit = checks.allowed_difference(tolerance, quantize, source)
    with atomic_path(destination) as temporary:
        temporary.write_bytes(content)
        agreement = _compare(model, temporary, signature, data, names, stored, limit, settings) if verify else None
    return _result(destination, content, settings, stored, agreement, notes)


def _data(model: Any, signature: Signature, representative_data: Any, parity_data: Any, seed: int) -> _Data:
    """Collect what to calibrate and what to compare on."""
    import keras

    calibration = None
    if representative_data is not None:
        calibration = gather(representative_data, signature, CALIBRATION_SAMPLES)
    if parity_data is not None:
        return _Data(calibration, gather(parity_data, signature, PARITY_SAMPLES, "parity_data"), "parity_data")
    if calibration is not None:
        return _Data(calibration, [array[:PARITY_SAMPLES] for array in calibration], "representative_data")
    sizes = [layer.input_dim for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)]
    count = max(RANDOM_SAMPLES, signature.inputs[0].shape[0] or 1)
    return _Data(None, random_samples(signature, count, seed, min(sizes, default=None)), "random")


def _convert(model: Any, signature: Signature, settings: Settings, samples: Arrays | None) -> tuple[bytes, list[str]]:
    """Return the bytes of the file and the names of the outputs in Keras' order."""
    names = [spec.name for spec in signature.inputs]
    batch = signature.inputs[0].shape[0] or 1
    log = ""
    with tempfile.TemporaryDirectory(prefix="tfprune-export-") as scratch:
        folder = Path(scratch)
        try:
            with quiet() as noise:
                try:
                    elsewhere = backend() != "tensorflow"
                    save = save_by_tensorflow if elsewhere else save_for_conversion
                    outputs = save(model, signature, folder if elsewhere else folder / "saved")
                    if settings.calibrated or elsewhere:
                        fed = names if settings.calibrated else []
                        return convert_in_child(folder, settings, fed, samples or [], batch), outputs
                    return convert(folder / "saved", settings), outputs
                finally:
                    noise.seek(0)
                    log = noise.read().decode("utf-8", "replace")
        except ConverterCrashError as error:
            raise ExportError(checks.crash_message(model, settings, str(error))) from error
        except Exception as error:
            message = str(error) if isinstance(error, ExportError) else f"{error}\n{log}"
            raise ExportError(explain(message, model)) from error


def _compare(
    model: Any,
    path: Path,
    signature: Signature,
    data: _Data,
    names: list[str],
    stored: Stored,
    limit: float | None,
    settings: Settings,
) -> Parity:
    """Run both and judge the difference."""
    expected = parity.keras_outputs(model, signature, data.comparison)
    file_names = [info.name for info in stored.outputs]
    try:
        actual = parity.tflite_outputs(path, signature, data.comparison, names, file_names)
    except ExportError as error:
        if settings.sparse and settings.quantize not in (None, "float16"):
            raise ExportError(
                f"{error} Sparse weights often can't be loaded with quantize={settings.quantize!r}; "
                "use quantize='float16' or None with sparse=True, or leave sparse out."
            ) from error
        raise
    found = parity.agreement(expected, actual, data.source, limit)
    if limit is not None and not found.relative <= limit:
        raise ExportError(
            f"The converted model disagrees with Keras: {found}; at most {limit:g} of the output scale is allowed. "
            "Nothing was written. A larger tolerance= accepts it, verify=False skips the comparison."
        )
    return found


def _result(
    path: Path, content: bytes, settings: Settings, stored: Stored, agreement: Parity | None, notes: list[str]
) -> ExportResult:
    return ExportResult(
        path=path,
        bytes=len(content),
        gzip_bytes=len(gzip.compress(content, 9, mtime=0)),
        quantize=settings.quantize,
        sparse=settings.sparse,
        inputs=stored.inputs,
        outputs=stored.outputs,
        sparsity=stored.sparsity,
        parity=agreement,
        sha256=hashlib.sha256(content).hexdigest(),
        versions={
            "tfprune": __version__,
            "python": platform.python_version(),
            **versions_of("keras", "numpy", "tensorflow", "ai-edge-litert"),
        },
        notes=tuple(notes),
    )
