"""A phone behind `adb`: which one, and files and commands on it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tfprune.benchmark.child import STEP_SECONDS
from tfprune.benchmark.rendering import printable
from tfprune.errors import BenchmarkError, InputError, nearest

__all__ = ["Phone", "find_phone", "parse_devices", "parse_properties"]

_READY = "device"
_ADVICE = {
    "unauthorized": "unlock it and allow USB debugging from this computer",
    "offline": "plug it in again, or run: adb reconnect offline",
    "no permissions": "let your user open USB devices (udev rules), see https://developer.android.com/tools/device",
}
_MISSING = (
    "There is no adb on PATH; install the Android SDK platform tools "
    "(https://developer.android.com/tools/releases/platform-tools)."
)
_CONNECT = "Connect a phone with USB debugging switched on; adb devices shows it."


@dataclass(frozen=True)
class Phone:
    """An Android device that commands can be run on.

    Args:
        adb: The path of the adb program.
        serial: Which device.
    """

    adb: str
    serial: str

    def shell(self, *words: str, limit: float = STEP_SECONDS) -> tuple[int, str]:
        """Run a command on the phone.

        Args:
            *words: The command; each word is quoted for the phone's shell.
            limit: Seconds that it may take.

        Returns:
            Its exit code and what it printed on both streams.

        Raises:
            BenchmarkError: If it takes longer than allowed.
        """
        return _run([self.adb, "-s", self.serial, "shell", shlex.join(words)], limit)

    def push(self, source: Path, target: str) -> None:
        """Copy a file to the phone.

        Raises:
            BenchmarkError: If that fails.
        """
        code, said = _run([self.adb, "-s", self.serial, "push", str(source), target], 10 * STEP_SECONDS)
        if code != 0:
            raise BenchmarkError(
                f"{source} can't be copied to {self.serial} ({_last(said)}); check the space in /data/local/tmp."
            )

    def properties(self) -> dict[str, str]:
        """Return what `getprop` tells of the phone: its model, its Android version."""
        return parse_properties(self.shell("getprop")[1])


def find_phone(serial: str | None = None) -> Phone:
    """Return the phone with that serial, or the only one that is ready.

    Args:
        serial: As `adb devices` shows it, or None.

    Raises:
        InputError: If there is no adb, no such phone, none or several, or one that does not let us in.
    """
    adb = shutil.which("adb")
    if adb is None:
        raise InputError(_MISSING)
    code, said = _run([adb, "devices", "-l"], STEP_SECONDS)
    if code != 0:
        raise InputError(f"adb devices failed ({_last(said)}); run it by hand.")
    states = parse_devices(said)
    if not states:
        raise InputError(f"adb knows no device. {_CONNECT}")
    shown = ", ".join(f"{name} ({state})" for name, state in states.items())
    if serial is None:
        ready = [name for name, state in states.items() if state == _READY]
        if len(ready) > 1:
            raise InputError(f"There are several devices: {shown}; say which (device=, --device).")
        serial = ready[0] if ready else next(iter(states))
        if not ready and len(states) > 1:
            raise InputError(f"None of the devices is ready: {shown}. {_advice(states[serial])}")
    elif serial not in states:
        raise InputError(f"There is no device {serial!r}. {nearest(serial, states)} adb knows: {shown}.")
    if states[serial] != _READY:
        raise InputError(f"The device {serial} is {states[serial]}: {_advice(states[serial])}. adb knows: {shown}.")
    return Phone(adb, serial)


def parse_devices(text: str) -> dict[str, str]:
    r"""Return the state of each device, by its serial, from what `adb devices` or `adb devices -l` printed.

    Example:
        >>> parse_devices("List of devices attached\nfc74d864\tdevice\nemulator-5556\tunauthorized\n")
        {'fc74d864': 'device', 'emulator-5556': 'unauthorized'}
    """
    found: dict[str, str] = {}
    _, _, listed = text.replace("\r", "").partition("List of devices attached")
    for line in listed.split("\n")[1:]:
        row = re.match(r"(\S+)\s+(no permissions|\S+)", line)
        if row and not line.startswith("*"):  # "* daemon started successfully"
            found[row[1]] = row[2]
    return found


def parse_properties(text: str) -> dict[str, str]:
    """Return the properties of a phone from what `getprop` printed.

    Example:
        >>> parse_properties("[ro.product.model]: [Pixel 6]")
        {'ro.product.model': 'Pixel 6'}
    """
    return dict(re.findall(r"^\[([^\]]+)\]: \[(.*)\]\s*$", text, re.MULTILINE))


def _advice(state: str) -> str:
    return _ADVICE.get(state, "it has to be in the state 'device'")


def _run(command: list[str], limit: float) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(
            f"adb was stopped after {limit:g} s: the time limit ({' '.join(command[3:5])}). If the model is just slow "
            "there, give a longer one (timeout=, --timeout); else check the connection."
        ) from error
    except OSError as error:
        raise InputError(f"{command[0]} can't be run ({error}). {_MISSING}") from error
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[-1])[:300] if lines else "it said nothing"
