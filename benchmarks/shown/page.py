"""The page of all benchmarks: what each asks, its command, its tables, and what it does not claim."""

from __future__ import annotations

from dataclasses import dataclass

from common import FOLDER, ROOT

RESULTS = FOLDER / "results"
IMAGES = ROOT / "docs" / "images"


@dataclass(frozen=True)
class Entry:
    """One benchmark on the page.

    Attributes:
        name: Of its result, `results/<name>.json` and `.md`.
        title: What it is about.
        command: What makes it again.
        limits: What it does not say.
        picture: The name of its picture, `docs/images/<picture>.svg`, if it is not its own.
    """

    name: str
    title: str
    command: str
    limits: str
    picture: str = ""


ENTRIES = (
    Entry(
        "resnet_cifar10", "ResNets with fewer multiply-accumulates", "resnet_cifar10.py --data-dir …",
        "Two networks, one data set of small images, 1,228 of them to test on: differences of less than 1.5 points "
        "may be chance; one seed. Multiply-accumulates, not time.",
    ),
    Entry(
        "image_count", "How many images without labels it takes", "image_count.py --data-dir …",
        "Two small networks. Larger ones, and more classes, may need more.",
    ),
    Entry(
        "vgg16", "VGG-16 with few of its parameters", "vgg16.py --data-dir …",
        "Images that were compressed as JPEG: not to be set beside published figures. One training of the original, of "
        "15 epochs, which is not its best: part of what the smaller networks reach is training that it had not.",
    ),
    Entry(
        "vgg16_fashion_mnist", "The same on Fashion-MNIST", "vgg16.py --dataset fashion_mnist",
        "A large network for an easy task. One training of the original, which is short; smaller networks "
        "learned longer, from it. Measured on a CPU without AVX-512 VNNI, where int8 is hardly faster than float32.",
    ),
    Entry(
        "resnet_cifar10_torch_pruning", "The same networks with Torch-Pruning",
        "resnet_cifar10_torch_pruning.py --data-dir … --torch-python …",
        "Torch-Pruning's settings are judged on the test images and the best is shown, which favours it. It has no "
        "refit; it is made to be followed by training, and the training here is short and on few images.",
        picture="trade_off",
    ),
    Entry(
        "factorization", "Factorised layers: accuracy and latency, form by form", "factorization.py --data-dir …",
        "Latency of one thread of this machine. Where a cell is empty, nothing was measured.",
    ),
    Entry(
        "filter_latency", "How much of fewer multiply-accumulates arrives as time", "filter_latency.py",
        "Random weights: accuracy is no subject. One thread, float, this machine.",
    ),
    Entry(
        "int8_latency", "Budgets of the latency of int8 files", "int8_latency.py --data-dir …",
        "Two small networks, 1,228 test images: differences of less than 1.5 points may be chance. One thread of one "
        "x86 CPU with AVX-512 VNNI, where int8 convolutions are fast; others have other ratios.",
    ),
    Entry(
        "edge", "Zeros and fewer filters on the interpreter", "edge.py",
        "No phone: this machine has AVX, where sparse convolutions can't engage. The last column is what others "
        "measured with XNNPACK's kernels for 128-bit vectors, and no promise.",
    ),
    Entry(
        "zeros_or_filters", "Zeros or fewer filters, at equal latency", "zeros_or_filters.py --data-dir …",
        "The speed of zeros is what others measured with XNNPACK's kernels for 128-bit vectors, of MobileNet V2 at "
        "160 × 160; the network here is smaller. Images that were compressed as JPEG. One training each.",
    ),
    Entry(
        "keyword_spotting", "Keyword spotting on a microcontroller", "keyword_spotting.py",
        "The words are synthesised, and easier than people's. Memory is that of TensorFlow Lite Micro's reference "
        "kernels on this machine; nothing was run on a board.",
    ),
    Entry(
        "arm64", "What the linter predicts of the ARM runtime", "arm64.py --sysroot …",
        "Under an emulator: whether files load and are right, not how fast they are. Where the last column has a "
        "message instead of a ratio, the runtime could not load the file and said so.",
    ),
    Entry(
        "older_runtimes", "What older runtimes compute wrong", "older_runtimes.py --packages …",
        "On a PC; the runtimes of phones are of the same source, and were not run.",
    ),
    Entry(
        "lint_applications", "What the linter says of stock networks", "lint_applications.py",
        "Nothing is run on a phone.",
    ),
    Entry(
        "block_sparse_dense", "Blocks of zeros in Dense layers", "block_sparse_dense.py",
        "Random weights, one shape, one CPU with AVX-512.",
    ),
    Entry(
        "fashion_mnist_filters", "Filters, single weights, and small networks from scratch", "fashion_mnist_filters.py",
        "A small network, six epochs: what longer training would do is not known.",
    ),
    Entry(
        "fashion_mnist_vs_tfmot", "Accuracy beside TFMOT", "fashion_mnist_vs_tfmot.py",
        "The two are within each other's spread: neither is better here.",
    ),
    Entry(
        "coverage", "What can be pruned while it trains, beside TFMOT", "coverage.py",
        "A few steps of small networks: that zeros are there, not what they cost.",
    ),
    Entry(
        "file_sizes", "Bytes of files, beside TFMOT", "file_sizes.py",
        "One small network on random images: sizes depend on how many zeros there are, not on what was learned.",
    ),
    Entry("step_time", "Time of a training step, beside TFMOT", "step_time.py", "Small networks, on a CPU."),
    Entry("mask_update", "Time of a mask update", "mask_update.py", "On a CPU."),
    Entry(
        "quantize_aware", "Training for int8 and 4-bit files", "quantize_aware.py", "Two small networks, 5,000 images.",
    ),
    Entry(
        "criteria", "How well criteria rank what removal does: rank correlations", "criteria.py --data-dir …",
        "Channels are removed one at a time; how they go together is not in it.",
    ),
    Entry("refit_cost", "Seconds and memory of a refit", "refit_cost.py --data-dir …", "One core."),
    Entry(
        "structured_dense", "Monarch and Kronecker against low rank", "structured_dense.py",
        "Layers of one trained network.",
    ),
    Entry(
        "programmable_training", "Teachers, gates and programmes", "programmable_training.py --data-dir …",
        "Short trainings on few images: longer ones would bring all methods closer together.",
    ),
    Entry("search", "Strategies of search", "search.py --data-dir …", "Two small networks."),
    Entry(
        "partition", "Networks split over devices", "partition.py",
        "Devices and links are emulated on one machine: processes, and sleeping for what is slower.",
    ),
    Entry(
        "applications_oracle", "All of keras.applications, cut", "applications_oracle.py",
        "Random weights: that what is cut computes the same, not that it is still accurate.",
    ),
    Entry("keras_hub_oracle", "Backbones of keras-hub, cut", "keras_hub_oracle.py",
        "Tiny ones with random weights. One that is traced has nothing that can be removed; \"traced and cut\" counts "
        "it "
        "too."),
    Entry("graph_scaling", "Large networks and deep chains", "graph_scaling.py", "Random weights."),
    Entry("import_time", "Time of the import", "import_time.py", "Files that were read before are in memory."),
)  # fmt: skip

HEAD = """# Benchmarks

Every table here was printed by a script in `benchmarks/`, which wrote its numbers as JSON at the same time; this page,
README and the guides are made from these files, and a test fails if a figure in the text is another one. `--quick` runs
each script in seconds to a few minutes; `make benchmarks` runs them all that way. Machine, versions and date stand
under each table. Accuracies are top-1 in per cent, unless a table says otherwise; times are ratios, measured side by
side.

"""

DATA = """<a id="data"></a>

## The data

- **ResNet-20 and ResNet-56** are public weights, those of akamaster/pytorch_resnet_cifar10 (BSD-2-Clause, © 2018 Yerlan
  Idelbayev), converted to Keras 3: `resnet20_cifar10.keras` and `resnet56_cifar10.keras`, for images with values from
  0 to 255, with logits as outputs.
- **Their images**, `cifar10_lossless_subset.npz`, are a part of CIFAR-10 (A. Krizhevsky, *Learning Multiple Layers of
  Features from Tiny Images*, 2009) with its true pixels: the first 4,000 training images, on which networks are
  calibrated, refitted and fine-tuned, and 1,228 test images, the first 1,000 of the official ones and 228 others. On
  so many an accuracy of 92.5 % is known to ± 1.5 points (with a probability of 95 %), so figures here may differ from
  those published for all 10,000, and smaller differences between two networks may be chance.
- **CIFAR-10 (JPEG)** has all of its images, but compressed: networks are trained and tested within it, and their
  figures are not to be set beside published ones.
- **Fashion-MNIST** is © 2017 Zalando SE, under the MIT licence; 5,000 training and 1,000 test images of it come with
  tfprune.

None of the first three is part of the repository: `--data-dir` names the folder that has them.

"""


def page() -> str:
    """Return the page in Markdown."""
    known = {path.stem for path in RESULTS.glob("*.json") if not path.stem.endswith("_quick")}
    entries = [entry for entry in ENTRIES if entry.name in known]
    missing = known - {entry.name for entry in ENTRIES}
    if missing:
        raise LookupError(f"results without a place on the page: {sorted(missing)}")
    entries = [entry for entry in entries if (RESULTS / f"{entry.name}.md").exists()]
    contents = "\n".join(f"- [{entry.title}](#{entry.name})" for entry in entries)
    return HEAD + contents + "\n\n" + DATA + "\n".join(section(entry) for entry in entries)


def section(entry: Entry) -> str:
    """Return a benchmark's section."""
    path = RESULTS / f"{entry.name}.md"
    lines = [f'<a id="{entry.name}"></a>', "", f"## {entry.title}", "", f"`python benchmarks/{entry.command}`", ""]
    picture = entry.picture or entry.name
    if (IMAGES / f"{picture}.svg").exists():
        lines += [f"![{entry.title}](images/{picture}.svg)", ""]
    return "\n".join(
        [*lines, path.read_text(encoding="utf-8").strip(), "", f"*What this does not say*: {entry.limits}", ""]
    )
