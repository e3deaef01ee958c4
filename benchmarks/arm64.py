"""Whether files do on ARM what `tfprune.lint` says: load, give the right numbers, skip zeros.

The real ARM package of ai-edge-litert runs under qemu, which emulates the processor. What it computes is what a phone
computes; how long it takes is not, and only tells whether zeros are skipped. Needs Debian or
Ubuntu, and `apt install qemu-user`; Python for ARM and the packages are fetched into --sysroot once. Results are kept;
delete the file to measure anew.

    python benchmarks/arm64.py --sysroot /tmp/arm64
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from common import FOLDER, destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LIBRARIES = (
    "libc6", "libpython3.11-stdlib", "python3.11-minimal", "libpython3.11-minimal", "zlib1g", "libexpat1", "libssl3",
    "libffi8", "libstdc++6", "libgcc-s1", "libbz2-1.0", "liblzma5", "libuuid1", "libcrypt1",
)  # fmt: skip
PACKAGES = ("numpy==2.4.6", "ai-edge-litert==2.3.0")
CPU = "cortex-a76"
CPUINFO = """processor\t: {number}
BogoMIPS\t: 100.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0b
CPU revision\t: 1

"""
SKIPS = 1.25
"""A sparse file that is so many times as fast as its dense twin skips zeros."""


def prepare(sysroot: Path) -> None:
    """Fetch what runs under the emulator: an ARM Python and its packages."""
    if shutil.which("qemu-aarch64") is None:
        raise SystemExit("qemu-aarch64 is not here; apt install qemu-user.")
    if (sysroot / "packages" / "ai_edge_litert").is_dir():
        return
    debs, wheels = sysroot / "debs", sysroot / "wheels"
    for folder in (debs, wheels, sysroot / "lists" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-qq", "-o", "APT::Architectures=arm64", "-o", f"Dir::State::Lists={sysroot / 'lists'}"]
    apt += ["-o", f"Dir::Cache={sysroot / 'cache'}", "-o", "APT::Sandbox::User=root"]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", *(f"{name}:arm64" for name in LIBRARIES)], check=True, cwd=debs)
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, sysroot / "root"], check=True)
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in (17, 27, 28, 31)]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version=3.11",
         *platforms, "-d", wheels, *PACKAGES],
        check=True,
    )  # fmt: skip
    # The emulator shows files of the host otherwise, and the runtime ends where it finds no ARM core in them.
    cpuinfo = sysroot / "root" / "proc" / "cpuinfo"
    cpuinfo.parent.mkdir(exist_ok=True)
    cpuinfo.write_text("".join(CPUINFO.format(number=number) for number in range(os.cpu_count() or 1)))
    for wheel in sorted(wheels.glob("*.whl")):
        zipfile.ZipFile(wheel).extractall(sysroot / "packages")


def on_arm(sysroot: Path, dense: Path, sparse: Path) -> dict[str, Any]:
    """Return what an ARM processor makes of two files."""
    command = ["qemu-aarch64", "-L", str(sysroot / "root"), "-E", "PYTHONDONTWRITEBYTECODE=1"]
    command += [str(sysroot / "root" / "usr" / "bin" / "python3.11"), str(FOLDER / "arm64_child.py")]
    command += [str(sysroot / "packages"), str(dense), str(sparse)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env={**os.environ, "QEMU_CPU": CPU}, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(json.loads(lines[-1])) if lines else {"error": f"ended with exit code {done.returncode}"}


def write(variant: Any, folder: Path) -> tuple[Path, Path]:
    """Write a variant dense and sparse, also where tfprune would refuse to."""
    import numpy as np

    from tfprune.export.converter import Settings, convert
    from tfprune.export.trace import save_for_conversion
    from tfprune.inputs.signature import signature_of

    model = variant.model()
    signature = signature_of(model, batch_size=variant.batch, input_shape=None, sample=None)
    name = signature.inputs[0].name
    samples = {name: np.random.default_rng(0).random((16, *model.input_shape[1:])).astype("float32")}
    paths = []
    for sparse in (False, True):
        path = folder / f"{'sparse' if sparse else 'dense'}.tflite"
        save_for_conversion(model, signature, folder / "saved")
        path.write_bytes(convert(folder / "saved", Settings(variant.quantize, sparse), samples, variant.batch))
        shutil.rmtree(folder / "saved")
        paths.append(path)
    return paths[0], paths[1]


def outcome(found: dict[str, Any], quantize: str | None) -> str:
    """Return in a word what was seen."""
    if "error" in found:
        return "fails"
    if found["difference"] > (2e-2 if quantize else 1e-3):
        return "wrong"
    return "skips" if found["ratio"] > SKIPS else "dense"


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--sysroot", type=Path, required=True, help="folder for an ARM Python; made if it is not there")
    arguments = parser.parse_args()
    prepare(arguments.sysroot.resolve())
    from graph_variants import VARIANTS

    from tfprune import lint

    path = destination(arguments, "arm64")
    results: list[dict[str, Any]] = []
    if path.exists() and not arguments.quick:
        results = [one for one in json.loads(path.read_text(encoding="utf-8"))["results"] if "variant" in one]
    for variant in VARIANTS[:2] if arguments.quick else VARIANTS:
        if any(one["variant"] == variant.name for one in results):
            continue
        with tempfile.TemporaryDirectory() as folder:
            dense, sparse = write(variant, Path(folder))
            said = lint(sparse)
            found = on_arm(arguments.sysroot.resolve(), dense, sparse)
        predicted = "skips" if said.engages else "dense" if said.safe else said.findings[0].kind
        seen = outcome(found, variant.quantize)
        agrees = seen == predicted or {seen, predicted} == {"wrong", "fails"}
        results.append({"variant": variant.name, "predicted": predicted, "seen": seen, "agrees": agrees, **found})
        print(results[-1], flush=True)
        content = {"environment": environment(), "cpu": CPU, "packages": PACKAGES, "results": results}
        write_json(path, content)
    rows = [
        [one["variant"], one["predicted"], one["seen"], f"{one['ratio']:.1f}×" if "ratio" in one else "–"]
        for one in results
    ]
    right = sum(one["agrees"] for one in results)
    text = markdown(["", "lint says", "on ARM", "times as fast as dense, emulated"], rows)
    report(path, content, f"{text}\n\nRight for {right} of {len(results)}. {', '.join(PACKAGES)}, {CPU} by qemu.")


if __name__ == "__main__":
    main()
