"""The `tfprune` command and what its sub-commands share: clean errors, exit codes, JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from tfprune.errors import InputError, TfpruneError, one_line
from tfprune.files import ELSEWHERE, NO_ROOM, error_number, existing_file
from tfprune.version import __version__

__all__ = ["AsJson", "Overwrite", "app", "goes_on_in", "main", "print_json"]

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130

COMMANDS = (
    "demo", "prune", "factorize", "search", "partition", "compress", "export", "lint", "benchmark", "summary",
    "compare", "report",
)  # fmt: skip

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]


class Commands(TyperGroup):
    """The sub-commands; Ctrl-C in any of them is said in one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run one."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            leave("interrupted; files that were not finished have not been written", INTERRUPTED)


app = typer.Typer(
    name="tfprune",
    cls=Commands,
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
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="FILE|MODULE",
            help="Import this first: what defines and registers layers, losses, metrics of your own. May be repeated.",
        ),
    ] = None,
) -> None:
    """Take the options that come before a sub-command."""
    for name in own or ():
        import_code(name)


def import_code(name: str) -> None:
    """Import a file or a module that the user names; other processes that load the model do so too.

    Raises:
        InputError: If there is none, or it can't be imported.
    """
    file = Path(name) if name.endswith(".py") else None
    if file:
        existing_file(file)
    sys.path.insert(0, str(file.resolve().parent if file else Path.cwd()))
    try:
        module = import_module(file.stem if file else name)
    except (Exception, SystemExit) as error:  # whatever somebody's code does
        said = one_line(f"{type(error).__name__}: {error}")
        raise InputError(f"{one_line(name)} can't be imported ({said}); give a .py file or a module.") from error
    if file and Path(getattr(module, "__file__", None) or "").resolve() != file.resolve():
        raise InputError(f"{one_line(name)} is called as a module that Python has already; rename it.")


def print_json(result: Mapping[str, Any]) -> None:
    """Print a result for machines: one JSON object on standard output."""
    print(json.dumps(result, indent=2))


@contextlib.contextmanager
def goes_on_in(folder: Path) -> Iterator[None]:
    """Say of work that is interrupted in this block where it is kept, and that the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if not folder.is_dir():
            raise
        leave(f"interrupted; what is done is kept in {folder}, and the same command goes on from there", INTERRUPTED)


def main() -> None:
    """Run the command line; every expected failure is one line on standard error.

    The exit code is 0 when all went well, 2 for bad input, 1 for other failures, and 130 for Ctrl-C.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        for command in COMMANDS:
            import_module(f"tfprune.cli.{command}")
        app()
    except InputError as error:
        leave(str(error), BAD_INPUT)
    except TfpruneError as error:
        leave(str(error), FAILED)
    except KeyboardInterrupt:
        leave("interrupted", INTERRUPTED)
    except SystemExit as ended:
        if ended.code == INTERRUPTED and not isinstance(ended.__context__, KeyboardInterrupt):
            leave("interrupted", INTERRUPTED)  # before any command began, which Typer keeps to itself
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAILED) from None
    except Exception as error:
        said = about_the_machine(error)
        if said is None:  # a fault of tfprune: all that is known of it helps
            raise
        leave(said, FAILED)


def about_the_machine(error: Exception) -> str | None:
    """Return what to say of an error of the disk or the memory, whoever raised it; None if it is another one."""
    text = one_line(str(error))
    by_name = {kind.__name__ for kind in type(error).__mro__}
    number = error_number(error)
    if isinstance(error, MemoryError):
        return f"out of memory{f' ({text})' if text else ''}; close other programs, or give fewer samples"
    if not isinstance(error, OSError) and number is None:
        if "ResourceExhaustedError" not in by_name:  # TensorFlow's: of the memory, or of the disk
            return None
        return f"out of memory or of disk space ({text}); free some, or give fewer samples, and try again"
    what = os.strerror(number) if number else text
    place = (error.filename if isinstance(error, OSError) else None) or destination()
    advice = "see that it can be read and written"
    if number in NO_ROOM:
        advice = "free some space or write to another disk, then give the same command again"
    elif number in ELSEWHERE:
        advice = "give a folder that you may write to"
    elif number == errno.ENOMEM:
        advice = "close other programs, or give fewer samples"
    return f"{f'{place}: ' if place else ''}{what}; {advice}"


def destination() -> str | None:
    """Return what the command line says is to be written."""
    words = sys.argv[1:]
    after = [words[number + 1] for number, word in enumerate(words[:-1]) if word == "--out"]
    return after[0] if after else next((word[6:] for word in words if word.startswith("--out=")), None)


def leave(message: str, code: int) -> NoReturn:
    """Print one line and end the process."""
    print(f"tfprune: error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)
