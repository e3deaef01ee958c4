"""Large models, of 300 million parameters and of 2,000 layers: pruned, cut, exported, with time and memory it takes.

    python tests/attacks/large.py --log large.json

What comes out is checked: sparsity, parameters, agreement of file and network. Each step is a process of its own that
begins with the file of the one before, as a user's would. The memory is the most that it and its children held at
once beyond what Keras takes by itself, as a multiple of the model's parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def wide(parameters: int) -> Any:
    """Return a network of four equally large layers."""
    import keras
    from keras import layers

    units = round((parameters / 4) ** 0.5)
    x = inputs = keras.Input((units,))
    for number in range(4):
        x = layers.Dense(units, activation="relu", name=f"wide_{number}")(x)
    return keras.Model(inputs, layers.Dense(10, name="classes")(x))


def deep(count: int) -> Any:
    """Return a residual network of so many layers."""
    import keras
    from keras import layers

    x = layers.Conv2D(8, 3, padding="same")(inputs := keras.Input((16, 16, 3)))
    for _ in range((count - 4) // 4):
        y = layers.ReLU()(layers.Conv2D(8, 3, padding="same")(x))
        x = layers.Add()([x, layers.Conv2D(8, 1, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01))(y)])
    return keras.Model(inputs, layers.Dense(10, name="classes")(layers.GlobalAveragePooling2D()(x)))


def step(name: str, folder: Path, kind: str, size: int) -> None:
    """Do one step."""
    import keras

    import tfprune

    files = {"load": "dense", "prune": "dense", "cut": "dense", "export": "small", "convert": "small"}
    if name == "make":
        (wide if kind == "wide" else deep)(size).save(folder / "dense.keras")
        return
    model = keras.models.load_model(folder / f"{files[name]}.keras", compile=False)
    if name == "prune":
        done = tfprune.prune(model, 0.8)
        assert abs(done.sparsity - 0.8) < 1e-3, done
        model.save(folder / "pruned.keras")
    elif name == "cut":
        small = tfprune.prune_filters(model, tfprune.Budget(params=0.5), criterion="l1", verbose=0)
        assert 0.4 < small.count_params() / model.count_params() <= 0.5, small.count_params()
        small.save(folder / "small.keras")
    elif name == "export":
        result = tfprune.to_tflite(model, folder / "small.tflite")
        assert result.parity is not None
        assert result.parity.relative < 1e-3, result.parity
    elif name == "convert":
        import tensorflow

        tensorflow.lite.TFLiteConverter.from_keras_model(model).convert()


def resident(process: int) -> int:
    """Return the bytes of memory that a process and its children hold now."""
    total, todo = 0, [process]
    while todo:
        one = todo.pop()
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            todo += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        except (OSError, IndexError):
            continue
    return total


def measured(*arguments: str) -> tuple[float, int]:
    """Run this file with arguments; return the seconds that it took and the most memory in bytes."""
    begin, most = time.monotonic(), 0
    process = subprocess.Popen([sys.executable, __file__, *arguments])
    while process.poll() is None:
        most = max(most, resident(process.pid))
        threading.Event().wait(0.02)
    if process.returncode:
        raise SystemExit(f"{arguments}: exit code {process.returncode}")
    return time.monotonic() - begin, most


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parameters", type=int, default=300_000_000)
    parser.add_argument("--layers", type=int, default=2000)
    parser.add_argument(
        "--limit", type=float, default=6.0, help="most memory of a step on the wide one, times its size"
    )
    parser.add_argument("--log", type=Path, help="JSON file to write")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        name, folder, kind, size = arguments.step
        if name != "nothing":
            step(name, Path(folder), kind, int(size))
        else:
            import keras  # noqa: F401
            import tensorflow

            import tfprune  # noqa: F401

            _ = tensorflow.lite.TFLiteConverter
        return
    told = []
    for kind, size in (("wide", arguments.parameters), ("deep", arguments.layers)):
        with tempfile.TemporaryDirectory() as folder:
            _, without = measured("--step", "nothing", folder, kind, str(size))
            measured("--step", "make", folder, kind, str(size))
            whole = Path(folder, "dense.keras").stat().st_size
            # The first is what Keras takes by itself, the last what its converter takes where tfprune is not used.
            for name in ("load", "prune", "cut", "export", "convert"):
                seconds, most = measured("--step", name, folder, kind, str(size))
                row = {
                    "network": kind, "size": size, "step": name, "seconds": round(seconds, 1), "file MB": whole / 1e6,
                    "memory MB": (most - without) / 1e6, "times its size": (most - without) / whole,
                }  # fmt: skip
                told.append({key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()})
                much = kind == "wide" and row["times its size"] > arguments.limit
                told[-1]["wrong"] = [f"{name}: more than {arguments.limit:g} times the file"] if much else []
                print(told[-1], flush=True)
    if arguments.log:
        arguments.log.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if any(one["wrong"] for one in told):
        raise SystemExit("Some step takes too much memory.")


if __name__ == "__main__":
    main()
