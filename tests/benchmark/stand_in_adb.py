"""A stand-in for `adb` with a phone that is a folder: notes its arguments, and prints recordings.

Files beside it say what it does: `devices.txt` is what `adb devices` prints, `output.txt` what `benchmark_model`
prints, `exit_code` how that ends, `profile.csv` what it writes; `calls.jsonl` is what it was asked for, and `phone/`
is what is on it.
"""

import json
import shlex
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
PHONE = HERE / "phone"


def on_phone(path):
    return PHONE / path.lstrip("/").replace("/", "_")


def answer(name):
    file = HERE / name
    return file.read_text() if file.exists() else ""


def shell(words):
    if words[0] == "getprop":
        print(answer("getprop.txt"), end="")
    elif words == ["cat", "/proc/cpuinfo"]:
        print(answer("cpuinfo.txt"), end="")
    elif words[0] == "cat":
        print(on_phone(words[1]).read_text(), end="")
    elif words[:2] == ["test", "-x"]:
        return 0 if on_phone(words[2]).exists() else 1
    elif words[:2] == ["rm", "-f"]:
        on_phone(words[2]).unlink(missing_ok=True)
    elif words[0] == "chmod":
        return 0 if on_phone(words[2]).exists() else 1
    else:
        options = dict(word[2:].split("=", 1) for word in words[1:])
        if not (on_phone(words[0]).exists() and on_phone(options["graph"]).exists()):
            print(f"/system/bin/sh: {words[0]}: inaccessible or not found", file=sys.stderr)
            return 127
        print(answer("output.txt"), end="")
        if "op_profiling_output_file" in options:
            on_phone(options["op_profiling_output_file"]).write_text(answer("profile.csv"))
        return int(answer("exit_code") or 0)
    return 0


def main(words):
    with open(HERE / "calls.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")
    if words[0] == "devices":
        print(answer("devices.txt"), end="")
        return 0
    assert words[0] == "-s"
    if words[2] == "push":
        if answer("full"):
            print(f"adb: error: failed to copy '{words[3]}' to '{words[4]}': remote No space left on device")
            return 1
        shutil.copy(words[3], on_phone(words[4]))
        print(f"{words[3]}: 1 file pushed, 0 skipped. 31.3 MB/s (431239 bytes in 0.013s)")
        return 0
    return shell(shlex.split(words[3]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
