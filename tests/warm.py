"""Commands, scripts and code in processes of their own that need not import TensorFlow first: forked from one that has.

The process has the arguments, the folder, the environment, the streams and the exit code of one that is started anew;
only the seconds of the import are missing. Tests of the start itself run `tfprune` by `cold=True`.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

REFUSED = "has known holes in loading model files"
"""What the command line says of an old Keras."""
OLD_KERAS = tuple(map(int, version("keras").split(".")[:3])) < (3, 15, 1)

LOADED = """
import keras, tensorflow
tensorflow.lite.TFLiteConverter
"""
"""What every such process has."""

OURS = """
import tfprune, tfprune.cli.app as app
sys.path.append(os.path.join(os.environ["PYTHONPATH"], "tests"))
from quick_fit import hurry
from ready import fork_for_children, load
from shortcuts import shorten
sys.path.pop()
load()
"""
"""And one that runs commands and examples, whose own processes need not import it either."""

NOT_INSTALLED = """
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tfprune":
            raise ModuleNotFoundError("tfprune is not installed here")
sys.meta_path.insert(0, NotInstalled())
"""
"""And one in which finished models have to load."""

FORKS = """
gc.collect()
gc.freeze()
print("{}", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if not child:
        break
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps({"code": code}), flush=True)
else:
    sys.exit()
for number, path, mode in ((0, os.devnull, os.O_RDONLY), (1, job["out"], os.O_WRONLY), (2, job["err"], os.O_WRONLY)):
    os.dup2(os.open(path, mode), number)
os.chdir(job["cwd"])
os.environ.clear()
os.environ.update(job["env"])
if job["ours"]:
    fork_for_children()
sys.argv = [job["script"] or "tfprune", *job["arguments"]]
if job["code"]:
    sys.argv[0] = "-c"
    exec(compile(job["code"], "<string>", "exec"), {"__name__": "__main__"})
    sys.exit()
if not job["script"]:
    app.main()
    sys.exit()
import dataclasses, runpy
whole = tfprune.datasets.fashion_mnist_small()
few = dataclasses.replace(whole, **{name: getattr(whole, name)[:size] for name, size in (
    ("x_train", 384), ("y_train", 384), ("x_test", 128), ("y_test", 128))})
tfprune.datasets.fashion_mnist_small = lambda: few
hurry()
shorten()
sys.path[0] = os.path.dirname(job["script"])
runpy.run_path(job["script"], run_name="__main__")
"""

COLD = "from tfprune.cli import main; main()"


class Warm:
    """The process that forks; started when it is first needed."""

    def __init__(self, loaded: str, *, ours: bool) -> None:
        self.code, self.ours = "import gc, json, os, sys" + loaded + FORKS, ours
        self.process: subprocess.Popen | None = None

    def answer(self, timeout: float) -> dict:
        """Return the next line that the process says."""
        assert self.process is not None
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.close()
            raise subprocess.TimeoutExpired("tfprune", timeout)
        return json.loads(line)

    def run(
        self,
        arguments: list[str],
        cwd: Path,
        env: dict[str, str],
        timeout: float,
        script: Path | None = None,
        code: str | None = None,
    ) -> subprocess.CompletedProcess:
        """Run the command, or a script with few images, or code."""
        if self.process is None:
            settings = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, env=settings, start_new_session=True,
            )  # fmt: skip
            self.answer(300)
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            out.touch()
            err.touch()
            job = {"arguments": arguments, "cwd": str(cwd), "env": env, "out": str(out), "err": str(err)}
            job["ours"] = self.ours
            job |= {"script": None if script is None else str(script), "code": code}
            self.process.stdin.write(f"{json.dumps(job)}\n")
            self.process.stdin.flush()
            code = self.answer(timeout)["code"]
            return subprocess.CompletedProcess(["tfprune", *arguments], code, out.read_text(), err.read_text())

    def close(self) -> None:
        """End the process, and what it has forked."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


WARM, BARE = Warm(LOADED + OURS, ours=True), Warm(LOADED + NOT_INSTALLED, ours=False)
atexit.register(WARM.close)
atexit.register(BARE.close)


def tfprune_command(
    folder: Path, *arguments: object, cold: bool = False, timeout: float = 300, **env: str
) -> subprocess.CompletedProcess:
    """Run `tfprune` with some arguments in a folder; return its exit code and what it printed.

    Args:
        folder: Where it runs.
        *arguments: What follows `tfprune`.
        cold: Whether Python is started anew.
        timeout: Seconds it may take.
        **env: What is in its environment besides what is in this one's.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **env}
    words = [*map(str, arguments)]
    if cold:
        program = [sys.executable, "-c", COLD, *words]
        done = subprocess.run(program, capture_output=True, text=True, cwd=folder, env=environment, timeout=timeout)
    else:
        done = WARM.run(words, folder, environment, timeout)
    if OLD_KERAS and REFUSED in done.stderr:
        pytest.skip(f"the command line refuses to load models by this Keras, which {REFUSED}")
    return done


def python_code(
    code: str, *arguments: object, cwd: Path | None = None, bare: bool = False, timeout: float = 300
) -> subprocess.CompletedProcess:
    """Run code in a process that has loaded Keras; return its exit code and what it printed.

    Args:
        code: What `python -c` would take.
        *arguments: What follows it.
        cwd: Where it runs.
        bare: Whether tfprune is missing there.
        timeout: Seconds it may take.
    """
    place = Path(tempfile.gettempdir()) if cwd is None else cwd
    return (BARE if bare else WARM).run([*map(str, arguments)], place, dict(os.environ), timeout, code=code)


def example(folder: Path, path: Path, *arguments: object, timeout: float = 300) -> subprocess.CompletedProcess:
    """Run a script with arguments in a folder, quickly, and with a few images of Fashion-MNIST.

    Args:
        folder: Where it runs.
        path: The script.
        *arguments: What follows its name.
        timeout: Seconds it may take.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "TFPRUNE_QUICK": "1"}
    environment["TFPRUNE_CACHE"] = str(folder / "cache")
    return WARM.run([*map(str, arguments)], folder, environment, timeout, path)
