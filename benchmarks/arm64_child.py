"""Runs on ARM: loads a dense and a sparse file, compares what they give and how long they take, as a line of JSON."""

import json
import sys
import time

sys.path.insert(0, sys.argv[1])

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def load(path):
    """Return an interpreter that is ready to run."""
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def run(interpreter):
    """Return the outputs for made-up inputs, in order of their names."""
    draw = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], draw.random(details["shape"]).astype(details["dtype"]))
    interpreter.invoke()
    outputs = sorted(interpreter.get_output_details(), key=lambda details: len(details["shape"]))
    return [interpreter.get_tensor(details["index"]).astype("float64") for details in outputs]


def main():
    """Compare."""
    found = {}
    try:
        dense, sparse = load(sys.argv[2]), load(sys.argv[3])
        pairs = list(zip(run(dense), run(sparse), strict=True))
        found["difference"] = max(float(abs(a - b).max() / max(abs(a).max(), 1e-30)) for a, b in pairs)
        times = [[], []]
        for _ in range(3):
            for own, interpreter in zip(times, (dense, sparse), strict=True):
                begin = time.thread_time()
                interpreter.invoke()
                own.append(time.thread_time() - begin)
        found["ratio"] = min(times[0]) / min(times[1])
    except (RuntimeError, ValueError) as error:
        found["error"] = " ".join(str(error).split())[:200]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
