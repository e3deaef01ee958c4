"""Devices and links, from Python and from files."""

from pathlib import Path

import pytest
from support import ROOT

from tfprune.errors import InputError
from tfprune.partition import Device, Devices, Link
from tfprune.partition.amounts import bandwidth_of, delay_of

FILES = sorted((ROOT / "examples" / "devices").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_examples_can_be_read(path):
    devices = Devices.load(path)
    assert len(devices.between) == len(devices) - 1 >= 1
    assert Devices.from_config(devices.get_config()) == devices
    assert "example" in path.read_text()


def test_there_are_three():
    assert {path.stem for path in FILES} >= {
        "phone_and_edge_server",
        "three_raspberry_pis",
        "microcontroller_and_phone",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("devices:\n- {name: a, sped: 2}", "Device 1 has the unknown key 'sped'. Did you mean 'speed'"),
        ("device:\n- {name: a}", "Did you mean 'devices'"),
        ("devices:\n- {speed: 2}", "Device 1 has no name"),
        ("devices:\n- {name: a, speed: -1}", "above 0"),
        ("devices:\n- {name: a, speed: true}", "above 0"),
        ("devices:\n- {name: a, memory: lots}", "memory of the device 'a' is 'lots'"),
        ("devices:\n- {name: a}\n- {name: a}\nlink: {bandwidth: 1}", "called 'a'"),
        ("devices:\n- {name: a}\n- {name: b}", "0 links were given for 2 devices; give 1"),
        ("devices:\n- {name: a}\n- {name: b}\nlink: {bandwidth: 10MB}", "The bandwidth of a link is '10MB'"),
        ("devices:\n- {name: a}\n- {name: b}\nlink: {bandwidth: 0}", "above 0"),
        ("devices:\n- {name: a}\n- {name: b}\nlink: {bandwidth: 1, delay: 3 min}", "The delay of a link is '3 min'"),
        ("devices:\n- {name: a}\n- {name: b}\nlink: {bandwith: 1}", "Did you mean 'bandwidth'"),
        ("devices: []", "no devices"),
        ("devices: {name: a}", "no devices"),
        ("- a", "give a mapping"),
        ("devices: [", "is not YAML"),
        ("!!python/object/apply:os.system [true]", "is not YAML"),
        ("", "give a mapping"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path, text, said):
    path = tmp_path / "devices.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        Devices.load(path)
    assert said in str(caught.value)
    assert "devices.yaml" in str(caught.value)


def test_a_missing_file_and_wrong_objects():
    with pytest.raises(InputError, match="There is no file"):
        Devices.load(Path("nowhere.yaml"))
    for wrong in ([], "ab", [1], [Device("a"), "b"]):
        with pytest.raises(InputError):
            Devices(wrong)
    with pytest.raises(InputError, match="not empty"):
        Device("")


@pytest.mark.parametrize(("text", "value"), [("1KiB/s", 1024.0), ("8 kbit/s", 1000.0), (5, 5.0), ("1e3", 1000.0)])
def test_bandwidths(text, value):
    assert bandwidth_of(text, "bandwidth") == value


@pytest.mark.parametrize("text", ["10 MB", "fast", None, -1, float("inf"), True, "1/s", "MB/s"])
def test_what_is_no_bandwidth(text):
    with pytest.raises(InputError, match=r"10MB/s"):
        bandwidth_of(text, "bandwidth")


def test_delays():
    assert [delay_of(x, "delay") for x in ("2ms", "300 us", "1 s", 0.5, "0")[:4]] == [0.002, 300e-6, 1.0, 0.5]
    for wrong in ("2", "2 ms/s", -1, None, "ms"):
        with pytest.raises(InputError, match="2 ms"):
            delay_of(wrong, "delay")


def test_a_link_takes_its_delay_and_its_bytes():
    assert Link("1kB/s", "10 ms").milliseconds(500) == 510.0
