"""Devices in a row and the links between them, in Python or in a YAML file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfprune.errors import InputError, nearest
from tfprune.numbers import is_real
from tfprune.partition.amounts import bandwidth_of, delay_of
from tfprune.plain_yaml import read_yaml
from tfprune.registry import Configurable
from tfprune.sizes import bytes_of, readable

__all__ = ["Device", "Devices", "Link"]


@keras.saving.register_keras_serializable(package="tfprune")
@dataclass(frozen=True)
class Device(Configurable):
    """One device of a row.

    Args:
        name: What it is called.
        speed: How many times as fast as this machine it is, above 0: 0.25 takes four times as long.
        memory: What a stage may need there for weights and activations, in bytes or as `"64MB"`; None is any amount.

    Raises:
        InputError: If a value is not one of these.

    Example:
        >>> Device("phone", speed=0.5, memory="64MB").limit
        64000000
    """

    name: str
    speed: float = 1.0
    memory: int | str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"The name of a device is {self.name!r}; give a text that is not empty.")
        if not is_real(self.speed) or not 0 < self.speed < math.inf:
            raise InputError(
                f"The speed of the device {self.name!r} is {self.speed!r}; give a number above 0: its speed over this "
                "machine's."
            )
        if self.memory is not None:
            bytes_of(self.memory, f"The memory of the device {self.name!r}")

    @property
    def limit(self) -> int | None:
        """Its memory in bytes; None if there is no limit."""
        return None if self.memory is None else bytes_of(self.memory, f"The memory of the device {self.name!r}")


@keras.saving.register_keras_serializable(package="tfprune")
@dataclass(frozen=True)
class Link(Configurable):
    """What connects two neighbours: sending n bytes takes `delay + n / bandwidth`.

    Args:
        bandwidth: Bytes per second, as a number, `"10MB/s"` or `"80Mbit/s"`.
        delay: Time until the first byte arrives, in seconds or as `"2 ms"`.

    Raises:
        InputError: If a value is not one of these.

    Example:
        >>> Link("10MB/s", "2 ms").milliseconds(50_000)
        7.0
    """

    bandwidth: float | str
    delay: float | str = 0.0

    def __post_init__(self) -> None:
        bandwidth_of(self.bandwidth, "The bandwidth of a link")
        delay_of(self.delay, "The delay of a link")

    @property
    def rate(self) -> float:
        """Its bandwidth in bytes per second."""
        return bandwidth_of(self.bandwidth, "The bandwidth of a link")

    @property
    def seconds(self) -> float:
        """Its delay in seconds."""
        return delay_of(self.delay, "The delay of a link")

    def milliseconds(self, size: float) -> float:
        """Return what sending some bytes takes, in milliseconds."""
        return 1000.0 * (self.seconds + size / self.rate)


@keras.saving.register_keras_serializable(package="tfprune")
@dataclass(frozen=True)
class Devices:
    """Devices in the order in which a sample passes them, and the links between neighbours.

    Args:
        devices: The devices. Samples begin at the first; an output stays where it is made.
        links: A link for each pair of neighbours; or one `Link` for all of them.

    Raises:
        InputError: If there is no device, two have the same name, or the number of links does not fit.

    Example:
        >>> row = Devices([Device("camera", 0.1), Device("server", 8)], Link("10MB/s", "5 ms"))
        >>> print(row)
        camera (speed 0.1) -- 10.00 MB/s, 5 ms -- server (speed 8)
    """

    devices: Sequence[Device]
    links: Sequence[Link] | Link = ()

    def __post_init__(self) -> None:
        if isinstance(self.devices, str | Mapping) or not isinstance(self.devices, Sequence):
            raise InputError(f"devices is {self.devices!r}; give a list of devices.")
        if not self.devices:
            raise InputError("There are no devices; give at least one, such as Device('phone', speed=0.5).")
        for one in self.devices:
            if not isinstance(one, Device):
                raise InputError(f"{one!r} is not a Device; give Device(name, speed, memory).")
        names = [one.name for one in self.devices]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"Two devices are called {name!r}; give each a name of its own.")
        needed = len(self.devices) - 1
        links = (self.links,) * needed if isinstance(self.links, Link) else tuple(self.links)
        if len(links) != needed or not all(isinstance(one, Link) for one in links):
            raise InputError(
                f"{len(links)} links were given for {len(self.devices)} devices; give {needed}, one for each pair of "
                "neighbours, or one Link for all."
            )
        object.__setattr__(self, "devices", tuple(self.devices))
        object.__setattr__(self, "links", links)

    @property
    def between(self) -> tuple[Link, ...]:
        """The links, one for each pair of neighbours."""
        return tuple(one for one in self.links if isinstance(one, Link)) if not isinstance(self.links, Link) else ()

    def __len__(self) -> int:
        return len(self.devices)

    def get_config(self) -> dict[str, Any]:
        """Return plain values, ready for JSON and YAML."""
        return {
            "devices": [one.get_config() for one in self.devices],
            "links": [one.get_config() for one in self.between],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Devices:
        """Make it from plain values, as they are in a file.

        Args:
            config: `devices`, a list of mappings with `name`, `speed` and `memory`; and either `links`, a list of
                mappings with `bandwidth` and `delay`, or one such mapping as `link` for all.

        Raises:
            InputError: If a key is unknown, or a value is not one of the allowed ones; with where it is.
        """
        values = mapping(config, ("devices", "links", "link"), "A file of devices")
        if "link" in values and "links" in values:
            raise InputError("There are both link and links; give one of them.")
        listed = values.get("devices")
        if not isinstance(listed, list) or not listed:
            raise InputError("There are no devices; give a list of them under devices:, each with a name.")
        devices = [made(Device, one, f"Device {number}") for number, one in enumerate(listed, 1)]
        if "link" in values:
            return cls(devices, made(Link, values["link"], "The link"))
        links = values.get("links") or []
        if not isinstance(links, list):
            raise InputError(f"links is {links!r}; give a list, one for each pair of neighbours.")
        return cls(devices, [made(Link, one, f"Link {number}") for number, one in enumerate(links, 1)])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Devices:
        """Read them from a .yaml file.

        Raises:
            InputError: If there is no such file, or it is not that of devices.

        Example:
            >>> from pathlib import Path
            >>> _ = Path("devices.yaml").write_text('''
            ... devices:
            ...   - {name: phone, speed: 0.5}
            ...   - {name: server, speed: 8, memory: 2GB}
            ... link: {bandwidth: 80Mbit/s, delay: 5 ms}
            ... ''')
            >>> len(Devices.load("devices.yaml"))
            2
        """
        config = read_yaml(path)
        try:
            return cls.from_config(config)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def __str__(self) -> str:
        parts = [describe(self.devices[0])]
        for link, device in zip(self.between, self.devices[1:], strict=True):
            parts += [f"{readable(int(link.rate))}/s, {1000 * link.seconds:g} ms", describe(device)]
        return " -- ".join(parts)


def describe(device: Device) -> str:
    """Return a device in a few words."""
    memory = "" if device.limit is None else f", {readable(device.limit)}"
    return f"{device.name} (speed {device.speed:g}{memory})"


def mapping(value: Any, allowed: Sequence[str], what: str) -> dict[str, Any]:
    """Return a mapping that has no other keys than the allowed ones."""
    if not isinstance(value, Mapping):
        raise InputError(f"{what} is {value!r}; give a mapping with {', '.join(allowed)}.")
    for key in value:
        if key not in allowed:
            raise InputError(f"{what} has the unknown key {key!r}. {nearest(key, allowed)}")
    return dict(value)


def made(cls: Any, value: Any, what: str) -> Any:
    """Return a device or a link from a mapping."""
    needed, optional = (("name",), ("speed", "memory")) if cls is Device else (("bandwidth",), ("delay",))
    values = mapping(value, (*needed, *optional), what)
    for key in needed:
        if key not in values:
            raise InputError(f"{what} has no {key}; give one.")
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
