"""The command line: arguments and printing, nothing else."""

from tfprune.cli.app import main

__all__ = ["main"]
