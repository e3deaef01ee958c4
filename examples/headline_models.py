"""The public ResNet-56 for CIFAR-10, faster without labels or training: half of the time as float, 0.75 of it as int8.

python examples/headline_models.py --data-dir FOLDER --out tflite_models

FOLDER has `resnet56_cifar10.keras` (akamaster/pytorch_resnet_cifar10, BSD-2-Clause, © 2018 Yerlan Idelbayev, converted
to Keras) and `cifar10_lossless_subset.npz` with images: `x_train` to look at, `x_test` and `y_test` to judge by.
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

import tfprune

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data-dir", type=Path, required=True, help="the folder with the network and the images")
parser.add_argument("--out", type=Path, default=Path("headline"), help="folder to write to")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)
model = keras.models.load_model(arguments.data_dir / "resnet56_cifar10.keras")
with np.load(arguments.data_dir / "cifar10_lossless_subset.npz") as arrays:
    images = arrays["x_train"][:1024].astype("float32")  # without labels
    tests, labels = arrays["x_test"].astype("float32"), arrays["y_test"].reshape(-1)

BUDGETS = {"float32": tfprune.Budget(latency=0.5), "int8": tfprune.Budget(latency=0.75, quantize="int8")}
fast = {stored: tfprune.factorize(model, budget, data=images) for stored, budget in BUDGETS.items()}


def right(path: Path) -> float:
    """Return for what part of the test images the interpreter's top class is right."""
    (scores,) = tfprune.benchmark.predict(path, tests)
    return float(np.mean(scores.argmax(axis=-1) == labels))


with tempfile.TemporaryDirectory() as folder:
    original, original_int8 = Path(folder, "original.tflite"), Path(folder, "original_int8.tflite")
    tfprune.to_tflite(model, original)
    tfprune.to_tflite(model, original_int8, quantize="int8", representative_data=images, parity_data=tests[:100])
    paths = [arguments.out / "resnet56_half.tflite", arguments.out / "resnet56_int8.tflite"]
    checked = {"parity_data": tests[:100], "overwrite": True}
    results = [
        tfprune.to_tflite(fast["float32"], paths[0], **checked),
        tfprune.to_tflite(fast["int8"], paths[1], quantize="int8", representative_data=images, **checked),
    ]
    report = tfprune.benchmark.run([original, *paths, original_int8], threads=1)
    print(report)
    before = right(original)
    for path, result, timed, budget in zip(paths, results, report[1:3], BUDGETS.values(), strict=True):
        print(result)
        result.save_card(overwrite=True, extra={
            "Network": "ResNet-56 for CIFAR-10 of akamaster/pytorch_resnet_cifar10 (BSD-2-Clause, © 2018 Yerlan "
            f"Idelbayev), factorised by tfprune.factorize(model, {budget}, data=1,024 images)",
            "Trained": "no: without labels, without training",
            "Top-1": f"{right(path):.2%} of {len(labels):,} test images by the interpreter, original {before:.2%}",
            "Speed-up": f"{timed.speedup.median:.2f}× of the original as float, one thread, side by side",
            "Original": f"{original.stat().st_size:,} bytes",
            "Original, as int8": f"{right(original_int8):.2%} of these images, {report[3].speedup.median:.2f}×, "
            f"{original_int8.stat().st_size:,} bytes",
            "Made by": "python examples/headline_models.py --data-dir …",
        })  # fmt: skip
