"""LiteRT's own `benchmark_model`, run on this machine for the time of single operations."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tfprune.benchmark.benchmark_model import Profile, command, failure, parse_profile, profile_report
from tfprune.benchmark.child import STEP_SECONDS
from tfprune.benchmark.configurations import Configuration
from tfprune.benchmark.layer_report import LayerReport
from tfprune.benchmark.settings import Settings
from tfprune.errors import BenchmarkError, InputError

__all__ = ["profile_here"]


def profile_here(model: Path, binary: Path, configuration: Configuration, settings: Settings) -> LayerReport:
    """Run `benchmark_model` with profiling and read its table of operations.

    Raises:
        InputError: If there is no such program.
        BenchmarkError: If it fails, takes too long, or prints no profile.
    """
    if not (binary.is_file() and os.access(binary, os.X_OK)):
        raise InputError(
            f"There is no program {binary}; give the path of a benchmark_model for this machine, or none to have the "
            "model cut instead."
        )
    limit = 2 * settings.max_seconds + (settings.timeout or STEP_SECONDS)
    with tempfile.TemporaryDirectory(prefix="tfprune-") as folder:
        table = Path(folder) / "profile.csv"
        words = command(str(binary.absolute()), str(model), configuration, settings, profile=str(table))
        try:
            done = subprocess.run(
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=limit
            )
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"{binary} was stopped after {limit:g} s: the time limit.") from error
        except OSError as error:
            raise InputError(f"{binary} can't be run ({error}); give one for this machine.") from error
        output = done.stdout.decode("utf-8", "replace")
        if done.returncode != 0:
            raise failure(binary.name, model, output)
        text = table.read_text(encoding="utf-8", errors="replace") if table.exists() else output
    profile: Profile = parse_profile(text, output)
    return profile_report(str(model), profile, configuration, device="cpu", versions={"benchmark_model": binary.name})
