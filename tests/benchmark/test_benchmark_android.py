"""`benchmark_model` and phones: recorded outputs, and a stand-in for adb."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.benchmark import LayerReport, Report, layers, layers_on_android, on_android
from tfprune.benchmark.__main__ import main
from tfprune.benchmark.adb import parse_devices, parse_properties
from tfprune.benchmark.benchmark_model import command, parse_output, parse_profile
from tfprune.benchmark.configurations import Configuration
from tfprune.benchmark.host import cores_in, flags_in
from tfprune.benchmark.settings import Settings
from tfprune.errors import BenchmarkError, InputError, UnknownArgumentError

HERE = Path(__file__).parent
RECORDINGS = HERE / "recordings"
LOGCAT = (RECORDINGS / "benchmark_model_logcat.txt").read_text()
SERIAL = "UYT5T18414003349"
ON_PHONE = "/data/local/tmp/benchmark_model"
# Titles and columns as in TensorFlow's sources, rows in the middle as recorded.
WHOLE_TABLE = f"""Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
ModifyGraphWithDelegate, 14.842, 14.842, 99.317%, 99.317%, 3428, 1, ModifyGraphWithDelegate/0
AllocateTensors, 0.102, 0.102, 0.683%, 100%, 0, 1, AllocateTensors/0

Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
{(RECORDINGS / "op_profile.csv").read_text()}TfLiteXNNPackDelegate, 0.4, 0.4, 20%, 38%, 0, 1, [net_1/sum_1/Sum]:9
QUANTIZE, 0.199, 0.203, 1.328%, 100%, 0, 2, [net_1/quantize_1/q\t net_1/other_1/q]:0

============================== Top by Computation Time ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
QUANTIZE, 0.199, 0.203, 1.328%, 1.328%, 0, 1, [net_1/quantize_1/q]:0
"""


def program(path: Path, source: Path) -> Path:
    path.write_text(f"#!{sys.executable}\n{source.read_text()}")
    path.chmod(0o755)
    return path


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """The folder of the stand-in, with one phone that has benchmark_model on it."""
    folder = tmp_path / "adb"
    (folder / "phone").mkdir(parents=True)
    program(folder / "adb", HERE / "stand_in_adb.py")
    for name, recording in (
        ("devices.txt", "adb_devices_one.txt"),
        ("output.txt", "benchmark_model_logcat.txt"),
        ("getprop.txt", "getprop.txt"),
        ("cpuinfo.txt", "cpuinfo.txt"),
        ("profile.csv", "op_profile.csv"),
    ):
        shutil.copy(RECORDINGS / recording, folder / name)
    (folder / "phone" / "data_local_tmp_benchmark_model").touch()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def calls(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def test_a_model_on_a_phone(phone, models):
    report = on_android(models["float"].path, threads=4, runs=25, min_seconds=2, warmup=3, warmup_seconds=0.25)
    (result,) = report
    times = result.latency
    assert (times.init_ms, times.first_ms, times.warmup_ms) == (92.318, 235.158, 211.669)
    assert (times.avg_ms, times.median_ms, times.std_ms) == (145.528, 141.253, 13.583)
    assert (times.min_ms, times.p5_ms, times.p95_ms, times.max_ms) == (140.071, 140.545, 187.533, 195.121)
    assert (times.p90_ms, times.cpu_min_ms, times.cpu_median_ms, times.cpu_p5_ms) == (None, None, None, None)
    assert times.steady_ms() == times.p5_ms
    assert (times.num_runs, times.num_warmup_runs) == (25, 3)
    assert (result.memory.peak_bytes, result.memory.model_bytes) == (None, round(73.4102 * 2**20))
    assert (result.delegation.taken, result.delegation.left, result.delegation.partitions) == (539, 9, 19)
    where = report.environment
    assert (where.device, where.interpreter, where.threads) == ("android", "benchmark_model", 4)
    assert (where.cpu, where.platform) == ("Google Pixel 6, Android 13", "Android 13 arm64-v8a")
    assert (where.cpu_flags, where.cores, where.versions) == (("neon", "fp16", "dotprod"), 2, {"android": "13"})
    assert Report.from_json(report.to_json()) == report
    assert "Google Pixel 6, Android 13 (neon fp16 dotprod)" in str(report)
    assert report.table().row_count == 1


def test_what_adb_is_asked(phone, models):
    on_android(models["float"].path, threads=4, runs=25, min_seconds=2, warmup=3, warmup_seconds=0.25)
    listed, *asked = calls(phone)
    assert listed == ["devices", "-l"]
    assert all(words[:2] == ["-s", SERIAL] for words in asked)
    (pushed,) = [words for words in asked if words[2] == "push"]
    assert pushed[3] == str(models["float"].path)
    assert pushed[4].startswith("/data/local/tmp/tfprune-")
    run = [words[3] for words in asked if ON_PHONE in words[3] and "--graph" in words[3]]
    assert run == [
        f"{ON_PHONE} --graph={pushed[4]} --num_threads=4 --use_xnnpack=true --num_runs=25 --min_secs=2 "
        "--max_secs=150 --warmup_runs=3 --warmup_min_secs=0.25"
    ]
    assert asked[-1][3] == f"rm -f {pushed[4]}"
    assert [each.name for each in (phone / "phone").iterdir()] == ["data_local_tmp_benchmark_model"]


def test_several_models_and_a_binary_of_ours(phone, models, tmp_path):
    binary = tmp_path / "my benchmark"
    binary.write_bytes(b"\x7fELF")
    report = on_android([models["float"].path, models["int8"].path], benchmark_model=binary, delegate=False)
    assert [each.speedup for each in report] == [None, None]
    assert "one after another" in report.notes[0]
    pushed = [words[3] for words in calls(phone) if "push" in words]
    assert pushed == [str(binary), str(models["float"].path), str(models["int8"].path)]
    assert all("--use_xnnpack=false" in words[3] for words in calls(phone) if "--graph" in words[-1])
    assert [each.name for each in (phone / "phone").iterdir()] == ["data_local_tmp_benchmark_model"]


def test_layers_on_a_phone(phone, models):
    report = layers_on_android(models["float"].path, device=SERIAL)
    assert [each.name for each in report] == [
        "Convolution (NHWC, F32) IGEMM",
        "HardSwish (NC)",
        "Convolution (NHWC, F32) DWConv",
        "Sum (ND) Reduce",
    ]
    assert report[0].ms == 0.1999
    assert report.total_ms == pytest.approx(0.1999 + 0.0656 + 0.0408 + 0.0148)
    assert (report.method, report.device, report.rounds) == ("benchmark_model", "android", 25)
    assert LayerReport.from_json(report.to_json()) == report
    asked = " ".join(words[3] for words in calls(phone) if "--graph" in words[-1])
    assert "--enable_op_profiling=true --op_profiling_output_mode=csv --op_profiling_output_file=/data/" in asked
    assert [each.name for each in (phone / "phone").iterdir()] == ["data_local_tmp_benchmark_model"]


@pytest.mark.parametrize(
    ("devices", "serial", "words"),
    [
        ("adb_devices_one.txt", "UYT5T1841400334", f"no device 'UYT5T1841400334'. Did you mean '{SERIAL}'"),
        ("adb_devices_several.txt", None, r"several devices: emulator-5558 \(device\), fc74d864 .*--device"),
        ("adb_devices_several.txt", "emulator-5556", "emulator-5556 is unauthorized: unlock it and allow USB"),
        ("adb_devices_unauthorized.txt", None, "8XV5000A20007972 is unauthorized: unlock it"),
        (None, None, "knows no device. Connect a phone"),
    ],
)
def test_no_phone_to_use(phone, models, devices, serial, words):
    text = "List of devices attached\n\n" if devices is None else (RECORDINGS / devices).read_text()
    (phone / "devices.txt").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        on_android(models["float"].path, device=serial)
    assert "\n" not in str(caught.value)
    assert len(calls(phone)) == 1, "nothing was copied"


def test_one_of_several(phone, models):
    shutil.copy(RECORDINGS / "adb_devices_several.txt", phone / "devices.txt")
    assert len(on_android(models["float"].path, device="fc74d864")) == 1
    assert {words[1] for words in calls(phone)[1:]} == {"fc74d864"}


def test_no_adb(models, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no adb on PATH; install"):
        on_android(models["float"].path)


@pytest.mark.parametrize("binary", ["/data/local/tmp/absent", "absent"])
def test_no_benchmark_model(phone, models, binary):
    with pytest.raises(InputError, match=r"no program .*absent .*Download https://.*--benchmark-model"):
        on_android(models["float"].path, benchmark_model=binary)
    assert not any("push" in words for words in calls(phone))


def test_a_phone_that_is_full(phone, models):
    (phone / "full").write_text("1")
    with pytest.raises(BenchmarkError, match=r"can't be copied to UYT.*No space left on device"):
        on_android(models["float"].path)


def test_benchmark_model_that_fails(phone, models):
    (phone / "output.txt").write_text("INFO: Loaded\nERROR: Didn't find op for builtin opcode\nBenchmark failed.\n")
    (phone / "exit_code").write_text("1")
    for function in (on_android, layers_on_android):
        with pytest.raises(BenchmarkError, match=r"float\.tflite can't be run by benchmark_model \(ERROR: Didn't find"):
            function(models["float"].path)
    assert [each.name for each in (phone / "phone").iterdir()] == ["data_local_tmp_benchmark_model"]


def test_wrong_arguments(phone, models):
    with pytest.raises(InputError, match="threads=0"):
        on_android(models["float"].path, threads=0)
    with pytest.raises(UnknownArgumentError, match="give device="):
        on_android(models["float"].path, serial="x")
    assert not (phone / "calls.jsonl").exists()


def test_old_output_is_refused():
    with pytest.raises(BenchmarkError, match="older than those that tell percentiles"):
        parse_output((RECORDINGS / "benchmark_model_2020.txt").read_text())
    with pytest.raises(BenchmarkError, match="printed no times"):
        parse_output("CANNOT LINK EXECUTABLE")


def test_peak_memory():
    line = "INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383\n"
    assert parse_output(LOGCAT + line).memory.peak_bytes == round(93.2383 * 2**20)


@given(st.text("abc \n:=,."), st.integers(0, len(LOGCAT)))
def test_any_text_gives_times_or_an_error(noise, place):
    whole = parse_output(LOGCAT)
    try:
        found = parse_output(LOGCAT[:place])
    except BenchmarkError:
        pass
    else:
        assert found.latency.num_runs == whole.latency.num_runs
    assert parse_output(f"{noise}\n{LOGCAT}\n{noise}") == whole


@given(st.lists(st.floats(1, 1e9), min_size=8, max_size=8), st.integers(1, 10**6))
def test_numbers_as_cpp_prints_them(numbers, count):
    first, minimum, maximum, avg, std, p5, median, p95 = (f"{number:g}" for number in numbers)
    text = (
        f"count={count} first={first} curr={first} min={minimum} max={maximum} avg={avg} std={std} p5={p5} "
        f"median={median} p95={p95}\nInference timings in us: Init: 5, First inference: {first}, "
        f"Warmup (avg): {avg}, Inference (avg): {avg}\n"
    )
    times = parse_output(text).latency
    assert times.median_ms == float(median) / 1e3
    assert (times.num_runs, times.num_warmup_runs) == (count, 0)


def test_a_whole_table():
    profile = parse_profile(WHOLE_TABLE, LOGCAT)
    assert [kind for kind, *_ in profile.rows] == [
        "Convolution (NHWC, F32) IGEMM",
        "HardSwish (NC)",
        "Convolution (NHWC, F32) DWConv",
        "Sum (ND) Reduce",
        "QUANTIZE",
    ], "not the delegate as a whole, nor the first table, nor the sorted one"
    assert profile.rows[0][1] == "Delegate/Convolution (NHWC, F32) IGEMM:0"
    assert profile.rows[-1][1:] == ("[net_1/quantize_1/q, net_1/other_1/q]:0", 0.406), "called twice"
    assert profile.runs == 25
    with pytest.raises(BenchmarkError, match="no profile"):
        parse_profile("")


KINDS = st.text("abcXYZ (),", min_size=1, max_size=20).map(str.strip).filter(lambda kind: kind.strip(", "))


@given(st.lists(st.tuples(KINDS, st.floats(0, 1e3), st.integers(1, 9)), min_size=1, max_size=9))
def test_rows_of_any_kind(rows):
    lines = [f"{kind}, {ms:g}, {ms:g}, 1.5%, 1e+02%, 0, {calls}, [t]:{i}" for i, (kind, ms, calls) in enumerate(rows)]
    table = "node type, first, avg_ms, %, cdf%, mem KB, times called, name\n" + "\n".join(lines)
    found = parse_profile(table).rows
    assert [kind for kind, *_ in found] == [kind for kind, *_ in rows]
    assert [ms for *_, ms in found] == [float(f"{ms:g}") * calls for _, ms, calls in rows]


def test_arguments():
    words = command("b", "m", Configuration(2, False), Settings(0, 1, 0.0, 5.0, 0.0, None, 0), profile="p.csv")
    assert words == [
        *("b", "--graph=m", "--num_threads=2", "--use_xnnpack=false", "--num_runs=1", "--min_secs=0", "--max_secs=5"),
        *("--warmup_runs=0", "--warmup_min_secs=0", "--enable_op_profiling=true", "--op_profiling_output_mode=csv"),
        "--op_profiling_output_file=p.csv",
    ]


def test_devices():
    assert parse_devices((RECORDINGS / "adb_devices_one.txt").read_text()) == {SERIAL: "device"}
    started = "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
    several = started + (RECORDINGS / "adb_devices_several.txt").read_text().replace("\n", "\r\n")
    assert parse_devices(several) == {
        "emulator-5558": "device",
        "fc74d864": "device",
        "emulator-5556": "unauthorized",
        "emulator-5554": "device",
    }
    plugdev = "List of devices attached\n0123 no permissions (user in plugdev group; are your udev rules wrong?)\n"
    assert parse_devices(plugdev) == {"0123": "no permissions"}
    assert parse_devices("") == {}


SERIALS = st.from_regex(r"[A-Za-z0-9.:-]{1,16}", fullmatch=True)
STATES = st.sampled_from(["device", "offline", "unauthorized", "no permissions"])


@given(st.dictionaries(SERIALS, STATES), st.sampled_from(["\t", "    "]), st.sampled_from(["\n", "\r\n"]))
def test_any_devices(states, gap, end):
    lines = ["List of devices attached", *[f"{serial}{gap}{state} usb:1-2" for serial, state in states.items()], ""]
    assert parse_devices(end.join(lines)) == states


@given(st.text())
def test_any_text_is_taken(text):
    parse_devices(text)
    parse_properties(text)
    flags_in(text)
    cores_in(text)


def test_the_command_line(phone, models, capsys):
    assert main([str(models["float"].path), "--adb", "--device", SERIAL, "--threads", "4"]) == 0
    printed = capsys.readouterr().out
    assert "First inference: 235158" in printed
    assert "XNNPACK took 539 of 548 operations in 19 partitions" in printed
    assert main([str(models["float"].path), "--adb", "--layers", "--benchmark-model", ON_PHONE, "--json"]) == 0
    assert LayerReport.from_json(capsys.readouterr().out).device == "android"
    assert main([str(models["float"].path), "--adb", "--device", "absent"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no device 'absent'")


def test_the_program_on_this_machine(models, tmp_path, monkeypatch):
    stand_in = tmp_path / "benchmark_model"
    stand_in.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\n"
        "options = dict(word[2:].split('=', 1) for word in sys.argv[1:])\n"
        "assert pathlib.Path(options['graph']).exists() and options['op_profiling_output_mode'] == 'csv'\n"
        f"pathlib.Path(options['op_profiling_output_file']).write_text({WHOLE_TABLE!r})\nprint({LOGCAT!r})\n"
    )
    stand_in.chmod(0o755)
    named = layers(models["float"].path, benchmark_model=stand_in)
    assert (named.method, named.device, named.rounds, len(named)) == ("benchmark_model", "cpu", 25, 5)
    assert named[-1].layers == ("quantize",)
    assert "fused into another has no row" in str(named)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert layers(models["float"].path) == named
    stand_in.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('ERROR: no such option')")
    with pytest.raises(BenchmarkError, match=r"can't be run by benchmark_model \(ERROR: no such option\)"):
        layers(models["float"].path)
    stand_in.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)")
    with pytest.raises(BenchmarkError, match=r"stopped after 0\.6 s"):
        layers(models["float"].path, timeout=0.2, max_seconds=0.2)
