"""The public ResNet-56 for CIFAR-10 at half of its latency, without labels or training, as float and int8 files.

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

fast = tfprune.factorize(model, tfprune.Budget(latency=0.5), data=images)


def right(path: Path) -> float:
    """Return for what part of the test images the interpreter's top class is right."""
    (scores,) = tfprune.benchmark.predict(path, tests)
    return float(np.mean(scores.argmax(axis=-1) == labels))


with tempfile.TemporaryDirectory() as folder:
    whole, whole_int8 = Path(folder, "whole.tflite"), Path(folder, "whole_int8.tflite")
    tfprune.to_tflite(model, whole)
    tfprune.to_tflite(model, whole_int8, quantize="int8", representative_data=images, parity_data=tests[:100])
    paths = [arguments.out / "resnet56_half.tflite", arguments.out / "resnet56_half_int8.tflite"]
    checked = {"parity_data": tests[:100], "overwrite": True}
    results = [
        tfprune.to_tflite(fast, paths[0], **checked),
        tfprune.to_tflite(fast, paths[1], quantize="int8", representative_data=images, **checked),
    ]
    report = tfprune.benchmark.run([whole, *paths, whole_int8], threads=1)
    print(report)
    for path, result, timed in zip(paths, results, report[1:3], strict=True):
        print(result)
        result.save_card(overwrite=True, extra={
            "Network": "ResNet-56 for CIFAR-10 of akamaster/pytorch_resnet_cifar10 (BSD-2-Clause, © 2018 Yerlan "
            "Idelbayev), factorised by tfprune.factorize(model, Budget(latency=0.5), data=1,024 images)",
            "Trained": "no: without labels, without training",
            "Top-1": f"{right(path):.2%} of {len(labels):,} test images by the interpreter, whole {right(whole):.2%}",
            "Speed-up": f"{timed.speedup.median:.2f}× of the whole network as float, one thread, side by side",
            "Whole": f"{whole.stat().st_size:,} bytes",
            "Whole, as int8": f"{right(whole_int8):.2%} of these images, {report[3].speedup.median:.2f}×, "
            f"{whole_int8.stat().st_size:,} bytes",
            "Made by": "python examples/headline_models.py --data-dir …",
        })  # fmt: skip
