"""`on_android`: LiteRT's `benchmark_model` on a phone behind `adb`."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfprune.arguments import named_arguments
from tfprune.benchmark import host
from tfprune.benchmark.adb import Phone, find_phone
from tfprune.benchmark.benchmark_model import Output, command, failure, parse_output, parse_profile, profile_report
from tfprune.benchmark.child import STEP_SECONDS
from tfprune.benchmark.configurations import Configuration, configurations
from tfprune.benchmark.layer_report import LayerReport
from tfprune.benchmark.measure import check_model_files
from tfprune.benchmark.model_file import PathLike, gzip_bytes
from tfprune.benchmark.records import Environment, ModelResult
from tfprune.benchmark.results import Report
from tfprune.benchmark.settings import Settings
from tfprune.errors import InputError

__all__ = ["ON_PHONE", "layers_on_android", "on_android"]

FOLDER = "/data/local/tmp"
ON_PHONE = f"{FOLDER}/benchmark_model"
_NIGHTLY = (
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest/"
    "android_aarch64_benchmark_model"
)
_NOT_INTERLEAVED = (
    "The models ran one after another, not in turn: a phone that grows warm is slower for the later ones."
)
_TOOL = "benchmark_model"


@named_arguments(serial="give device=")
def on_android(
    path: PathLike | Sequence[PathLike],
    *,
    threads: int = 1,
    delegate: bool = True,
    device: str | None = None,
    benchmark_model: PathLike = ON_PHONE,
    warmup: int = 1,
    runs: int = 50,
    min_seconds: float = 1.0,
    max_seconds: float = 150.0,
    warmup_seconds: float = 0.5,
    timeout: float | None = None,
) -> Report:
    """Measure .tflite models on an Android phone, with LiteRT's own `benchmark_model`.

    The model is copied to /data/local/tmp by `adb push`, timed there with made-up inputs, and removed. This has been
    tested against recorded outputs of `benchmark_model` and `adb`, and a stand-in for `adb`, and not yet on a device.

    Args:
        path: One .tflite file, or several, which run one after another.
        threads: Threads of the interpreter.
        delegate: Whether XNNPACK may take operations.
        device: The serial of the phone, as `adb devices` shows it; None if only one is ready.
        benchmark_model: A file on this computer that is copied to the phone and removed again, or else the path on
            the phone.
        warmup: Inferences before the measurement, at least.
        runs: Measured inferences, at least.
        min_seconds: Measured time of each model, at least.
        max_seconds: Measured time of each model after which it is stopped.
        warmup_seconds: Time of the warm-up, at least.
        timeout: Seconds that it may take in all beyond that; None for 60.

    Returns:
        A report with `environment.device == "android"`, without CPU times and without speed-ups, which need turns.

    Raises:
        InputError: If there is no adb, no phone or several, no benchmark_model, or an argument makes no sense.
        BenchmarkError: If a model can't be copied or run there.

    Example:
        >>> tfprune.benchmark.on_android("small.tflite", threads=4, device="fc74d864")  # doctest: +SKIP
    """
    files = check_model_files(path)
    (configuration,) = configurations(threads, delegate, None)
    settings = Settings(warmup, runs, min_seconds, max_seconds, warmup_seconds, timeout, 0)

    def measure(phone: Phone, binary: str, file: Path) -> Output:
        with _copied(phone, file) as there:
            return parse_output(_call(phone, command(binary, there, configuration, settings), file, settings))

    with _prepared(device, benchmark_model) as (phone, binary):
        environment = _environment(phone, configuration)
        outputs = [measure(phone, binary, file) for file in files]
    results = tuple(
        ModelResult(
            model=str(file),
            file_bytes=file.stat().st_size,
            gzip_bytes=gzip_bytes(file),
            latency=output.latency,
            memory=output.memory,
            speedup=None,
            threads=configuration.threads,
            delegate=configuration.delegate,
            interpreter=_TOOL,
            versions=environment.versions,
            delegation=output.delegation,
        )
        for file, output in zip(files, outputs, strict=True)
    )
    return Report(results, environment, (_NOT_INTERLEAVED,) * (len(files) > 1))


@named_arguments(serial="give device=")
def layers_on_android(
    path: PathLike,
    *,
    threads: int = 1,
    delegate: bool = True,
    device: str | None = None,
    benchmark_model: PathLike = ON_PHONE,
    warmup: int = 1,
    runs: int = 50,
    min_seconds: float = 1.0,
    max_seconds: float = 150.0,
    warmup_seconds: float = 0.5,
    timeout: float | None = None,
) -> LayerReport:
    """Measure how long each layer of a .tflite model takes on an Android phone, by `benchmark_model`'s own profile.

    As `on_android`, with profiling switched on; it too has not yet been run on a device.

    Args:
        path: The .tflite file.
        threads: Threads of the interpreter.
        delegate: Whether XNNPACK may take operations.
        device: The serial of the phone; None if only one is ready.
        benchmark_model: A file on this computer, or else the path on the phone.
        warmup: Inferences before the measurement, at least.
        runs: Measured inferences, at least.
        min_seconds: Measured time, at least.
        max_seconds: Measured time after which it is stopped.
        warmup_seconds: Time of the warm-up, at least.
        timeout: Seconds that it may take in all beyond that; None for 60.

    Returns:
        A report with one entry for each operation that has a row in the profile, in the order in which they run.

    Raises:
        InputError: As for `on_android`.
        BenchmarkError: As for `on_android`, or if there is no profile.

    Example:
        >>> tfprune.benchmark.layers_on_android("small.tflite", device="fc74d864")  # doctest: +SKIP
    """
    (file,) = check_model_files(path)
    (configuration,) = configurations(threads, delegate, None)
    settings = Settings(warmup, runs, min_seconds, max_seconds, warmup_seconds, timeout, 0)

    with _prepared(device, benchmark_model) as (phone, binary), _copied(phone, file) as there:
        table = f"{there}.csv"
        try:
            output = _call(phone, command(binary, there, configuration, settings, profile=table), file, settings)
            code, text = phone.shell("cat", table)
        finally:
            phone.shell("rm", "-f", table)
        versions = _environment(phone, configuration).versions
    found = parse_profile(text if code == 0 else output, output)
    return profile_report(str(file), found, configuration, device="android", versions=versions)


@contextlib.contextmanager
def _prepared(device: str | None, benchmark_model: PathLike) -> Iterator[tuple[Phone, str]]:
    """Find the phone and see to it that `benchmark_model` is there; give both, and tidy up."""
    phone = find_phone(device)
    local = Path(benchmark_model)
    if not local.is_file():
        binary = str(benchmark_model)
        if not binary.startswith("/") or phone.shell("test", "-x", binary)[0] != 0:
            raise InputError(
                f"There is no program {binary} on this computer, nor on the phone {phone.serial}. Download {_NIGHTLY} "
                "(for 64-bit phones) and name it (benchmark_model=, --benchmark-model)."
            )
        yield phone, binary
        return
    binary = f"{FOLDER}/tfprune-{uuid.uuid4().hex}"
    try:
        phone.push(local, binary)
        phone.shell("chmod", "755", binary)
        yield phone, binary
    finally:
        phone.shell("rm", "-f", binary)


@contextlib.contextmanager
def _copied(phone: Phone, file: Path) -> Iterator[str]:
    """Copy a model to the phone, give its path there, and remove it."""
    there = f"{FOLDER}/tfprune-{uuid.uuid4().hex}.tflite"
    try:
        phone.push(file, there)
        yield there
    finally:
        phone.shell("rm", "-f", there)


def _call(phone: Phone, words: list[str], file: Path, settings: Settings) -> str:
    limit = 2 * settings.max_seconds + (settings.timeout or STEP_SECONDS)  # the warm-up may take that long as well
    code, output = phone.shell(*words, limit=limit)
    if code != 0:
        raise failure(_TOOL, file, output)
    return output


def _environment(phone: Phone, configuration: Configuration) -> Environment:
    told = phone.properties()
    cpuinfo = phone.shell("cat", "/proc/cpuinfo")[1]
    name = f"{told.get('ro.product.manufacturer', '')} {told.get('ro.product.model', '')}".strip()
    chip = told.get("ro.soc.model") or told.get("ro.board.platform") or ""
    android = told.get("ro.build.version.release", "unknown")
    abi = told.get("ro.product.cpu.abi", "")
    return Environment(
        device="android",
        threads=configuration.threads,
        interpreter=_TOOL,
        versions={"android": android},
        platform=f"Android {android} {abi}".strip(),
        cpu=f"{name or phone.serial}, Android {android}" + (f", {chip}" if chip else ""),
        cpu_flags=host.flags_in(cpuinfo),
        cores=host.cores_in(cpuinfo),
        load_average=None,
    )
