"""Make the two reports of `examples/reports/`: of a recipe on Fashion-MNIST, of a ResNet-56 made smaller unlabelled.

python examples/report.py                       # Fashion-MNIST only; its images come along
python examples/report.py --data-dir FOLDER     # and the ResNet, with FOLDER/resnet56_cifar10.keras and its images
"""

import argparse
import time
from pathlib import Path

import keras
import numpy as np

import tfprune
from tfprune import Budget
from tfprune.report import make, of_folder

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("reports"), help="a folder for the pages")
parser.add_argument("--data-dir", type=Path, help="where the ResNet and images of CIFAR-10 are")
parser.add_argument("--epochs", type=int, default=12, help="how long the Fashion-MNIST network is trained first")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)


def written(report: tfprune.report.Report, name: str, begin: float) -> None:
    """Write a report, and say how large it is and how long it took."""
    path = report.save(arguments.out / f"{name}.html", overwrite=True)
    seconds = time.perf_counter() - begin
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, made in {seconds:.1f} s")


# A recipe leaves a report in its folder; here it is made again with where the time goes, operation by operation.
data = tfprune.datasets.fashion_mnist_small()
train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
keras.utils.set_random_seed(0)
model = tfprune.models.small_cnn()
rate = keras.optimizers.schedules.CosineDecay(2e-3, arguments.epochs * -(-len(data.x_train) // 64))
model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, batch_size=64, epochs=arguments.epochs, verbose=2)
recipe = {
    "version": 1,
    "name": "Fashion-MNIST, half of the multiply-accumulates",
    "about": "Filters go while the network is trained, then it learns from what it was before.",
    "stages": [
        {"method": "prune", "granularity": "filter", "budget": "macs=0.5", "epochs": 4, "learning_rate": 0.001},
        {"method": "shrink"},
        {"method": "distil", "epochs": 3, "learning_rate": 0.001},
        {"method": "export", "precision": ["float32", "int8"]},
    ],
}
tfprune.compress(model, train, test, recipe, arguments.out / "fashion_mnist", overwrite=True)
begin = time.perf_counter()
written(of_folder(arguments.out / "fashion_mnist", layers=True), "fashion_mnist", begin)

# Any two networks make a report; a plan says in addition why layers stay, and what error was predicted.
if arguments.data_dir is not None:
    with np.load(arguments.data_dir / "cifar10_lossless_subset.npz") as arrays:
        x_train, x_test = (arrays[name].astype("float32") for name in ("x_train", "x_test"))
        y_test = arrays["y_test"].reshape(-1).astype("int32")
    dense = keras.models.load_model(arguments.data_dir / "resnet56_cifar10.keras")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    dense.compile("sgd", loss, metrics=["accuracy"])
    plan = tfprune.plan_filters(dense, Budget(macs=0.5), data=x_train[:2048], samples=2048)
    small = plan.repair(progress=True).model
    begin = time.perf_counter()
    report = make(
        dense, small, val=(x_test, y_test), plan=plan, layers=True, title="ResNet-56, half of the work",
        about="Filters were chosen and the rest refitted on 2,048 images without labels; nothing was trained.",
        command="python examples/report.py --data-dir FOLDER",
    )  # fmt: skip
    written(report, "resnet56", begin)
