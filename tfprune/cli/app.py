"""The `tfprune` command and what its sub-commands share: clean errors, exit codes, JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer

from tfprune.errors import InputError, TfpruneError
from tfprune.version import __version__

__all__ = ["AsJson", "Overwrite", "app", "main", "print_json"]

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130

COMMANDS = (
    "demo", "prune", "factorize", "search", "partition", "compress", "export", "lint", "benchmark", "summary",
    "compare", "report",
)  # fmt: skip

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]

app = typer.Typer(
    name="tfprune",
    help="Make a trained Keras network small and fast on a device.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        print(f"tfprune {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a sub-command."""


def print_json(result: Mapping[str, Any]) -> None:
    """Print a result for machines: one JSON object on standard output."""
    print(json.dumps(result, indent=2))


def main() -> None:
    """Run the command line; every expected failure is one line on standard error.

    The exit code is 0 when all went well, 2 for bad input, 1 for other failures, and 130 for Ctrl-C.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for command in COMMANDS:
        import_module(f"tfprune.cli.{command}")
    try:
        app()
    except InputError as error:
        leave(str(error), BAD_INPUT)
    except TfpruneError as error:
        leave(str(error), FAILED)
    except KeyboardInterrupt:
        leave("interrupted; files that were not finished have not been written", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAILED) from None


def leave(message: str, code: int) -> None:
    """Print one line and end the process."""
    print(f"tfprune: error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)
