"""The oldest versions that setup.cfg admits, as constraints for pip: `make test-min` runs the tests on these."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

SETUP = Path(__file__).resolve().parents[1] / "setup.cfg"


def oldest(requirement: str) -> str | None:
    """Return a requirement with its lower bound as the version, None if it has none.

    Example:
        >>> oldest("rich>=13"), oldest("keras>=3.12"), oldest("flatbuffers>=24.3.25"), oldest("jax")
        ('rich==13.0.*', 'keras==3.12.*', 'flatbuffers==24.3.25', None)
    """
    found = re.fullmatch(r"([\w-]+)>=(\d+)(\.\d+)?(\.\d+)?", requirement.strip())
    if found is None:
        return None
    name, major, minor, patch = found.groups()
    return f"{name}=={major}{minor or '.0'}{patch or '.*'}"


def main() -> None:
    """Print a line for each package that the library needs or can use; not for what only tests and pages need."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(SETUP)
    extras = settings["options.extras_require"]
    lines = [settings["options"]["install_requires"], extras["tune"], extras["search"], extras["report"]]
    print("\n".join(sorted(filter(None, map(oldest, "\n".join(lines).splitlines())))))


if __name__ == "__main__":
    main()
