"""The oldest versions that setup.cfg admits, as pip takes them: `make test-min` runs the tests on these.

python tests/minimum.py > build/minimum.txt
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path

SETUP = Path(__file__).resolve().parents[1] / "setup.cfg"
EXTRAS = ("tune", "search", "report")
"""The extras that are installed beside; those of quantizers and simulators pin what they need themselves."""


def oldest(requirements: str) -> list[str]:
    """Return the requirements with their lower bound as the version: `rich>=13` gives `rich==13.*`."""
    found = re.findall(r"^\s*([\w-]+)>=([\d.]+)\s*$", requirements, re.MULTILINE)
    return [f"{name}=={version}" + (".*" if version.count(".") < 2 else "") for name, version in found]


def main() -> None:
    """Print a line for each package."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(SETUP)
    extras = [settings["options.extras_require"][name] for name in EXTRAS]
    for line in oldest("\n".join([settings["options"]["install_requires"], *extras])):
        print(line)


if __name__ == "__main__":
    main()
