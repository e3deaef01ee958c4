"""What `tfprune.lint` says of stock networks for Android: whether zeros could be skipped, and what keeps them from it.

Each network is linted as it is and after `fix=True`; its outputs before and after are compared.

    python benchmarks/lint_applications.py
"""

from __future__ import annotations

import os
from typing import Any

from common import destination, environment, make_parser, markdown, report, write_json

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NETWORKS = {
    "MobileNet": 224, "MobileNetV2": 224, "MobileNetV3Small": 224, "MobileNetV3Large": 224, "EfficientNetB0": 224,
    "EfficientNetV2B0": 224, "ResNet50": 224, "DenseNet121": 224, "NASNetMobile": 224, "Xception": 299,
}  # fmt: skip


def measure(name: str, size: int) -> dict[str, Any]:
    """Return what is said of a network."""
    import keras
    import numpy as np

    import tfprune

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10)
    before = tfprune.lint(model)
    after = tfprune.lint(model, fix=True)
    x = np.random.default_rng(0).random((2, size, size, 3)).astype("float32") * 255
    expected, found = model.predict(x, verbose=0), after.model.predict(x, verbose=0)
    kinds = [f"{problem}: {layers}" for kind, (layers, problem, _) in after.grouped() if kind in ("wrong", "blocks")]
    return {
        "network": name,
        "fits": before.fits,
        "fits_after": after.fits,
        "changed": len(after.fixed),
        "difference": float(abs(expected - found).max() / abs(expected).max()),
        "left": sum(one.kind in ("wrong", "blocks") for one in after.findings),
        "problems": kinds,
    }


def main() -> None:
    arguments = make_parser(__doc__).parse_args()
    path = destination(arguments, "lint_applications")
    content: dict[str, Any] = {"environment": environment(), "results": []}
    for name, size in list(NETWORKS.items())[: 1 if arguments.quick else None]:
        content["results"].append(measure(name, size))
        print(content["results"][-1], flush=True)
        write_json(path, content)
    rows = [
        [
            r["network"], "yes" if r["fits"] else "no", str(r["changed"]), f"{r['difference']:.0e}",
            "yes" if r["fits_after"] else "no", str(r["left"]), "; ".join(r["problems"]),
        ]
        for r in content["results"]
    ]  # fmt: skip
    headers = ["network", "fits", "layers rewritten", "difference", "fits then", "in the way", "what"]
    report(path, content, markdown(headers, rows))


if __name__ == "__main__":
    main()
