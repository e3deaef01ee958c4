"""Run every benchmark that needs no data from elsewhere with `--quick`, to see that it works.

python benchmarks/quick.py [name …]
"""

from __future__ import annotations

import subprocess
import sys
import time

from common import FOLDER, child_environment

SCRIPTS = (
    "import_time", "mask_update", "step_time", "block_sparse_dense", "fashion_mnist_vs_tfmot", "factorization",
    "programmable_training", "structured_dense", "criteria", "fashion_mnist_filters", "quantize_aware",
    "filter_latency", "edge", "lint_applications", "graph_scaling", "applications_oracle", "keras_hub_oracle",
    "search", "partition", "image_count", "coverage", "file_sizes", "int8_latency",
)  # fmt: skip
"""Others need `--data-dir`, and run so by themselves."""


def main() -> None:
    wanted, failed = sys.argv[1:] or SCRIPTS, []
    for name in wanted:
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(FOLDER / f"{name}.py"), "--quick"], env=child_environment(), check=False
        )
        print(f"{name}: {'done' if not done.returncode else 'failed'}, {time.perf_counter() - begin:.0f} s", flush=True)
        failed += [name] if done.returncode else []
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
