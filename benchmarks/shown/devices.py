"""What arrives on a device: the demo's files, blocks of zeros, fewer filters."""

from __future__ import annotations

import json

from blocks import figures, one, result
from common import ROOT, markdown

from shown.filters import percent
from shown.without_labels import tested

NAMES = {"mobilenet_v1": "MobileNet V1", "mobilenet_v2": "MobileNet V2", "vgg16": "VGG-16"}
STORED = {
    "dense": "`dense.tflite` (the original)",
    "halved": "`halved.tflite` (no labels, no training)",
    "pruned_sparse": "`pruned_sparse.tflite` (float16)",
}


@figures
def demo() -> str:
    content = json.loads((ROOT / "tflite_models" / "results.json").read_text(encoding="utf-8"))
    return markdown(
        ["file", "accuracy", "zeros", "bytes", "gzip", "ms (p95)", "speed-up"],
        [
            [
                STORED.get(row["file"], f"`{row['file']}.tflite`"),
                percent(row["accuracy"], 1),
                percent(row["sparsity"], 1),
                f"{row['bytes']:,}",
                f"{row['gzip_bytes']:,}",
                f"{row['median_ms']:.3f} ({row['p95_ms']:.3f})",
                f"{row['speedup']:.2f}×",
            ]
            for row in content["rows"]
        ],
    )


@figures
def block_sparse_dense() -> str:
    return markdown(
        ["zeros", "sparsity", "bytes", "median, ms", "speed-up"],
        [
            [
                row["what"],
                percent(row["sparsity"]),
                f"{row['bytes']:,}",
                f"{row['median_ms']:.3f}",
                f"{row['speedup']:.2f}",
            ]
            for row in result("block_sparse_dense")["results"]
        ],
    )


JUDGED = {"resnet20_cifar10": "ResNet-20", "resnet56_cifar10": "ResNet-56"}
GOES = {"factors": "layers factorised", "filters": "filters removed"}
ASKED = {
    "macs, 0.5": "`Budget(macs=0.5)`",
    "float latency, 0.5": "`Budget(latency=0.5)`",
    "int8 latency, 0.75": '`Budget(latency=0.75, quantize="int8")`',
    "int8 latency, 0.5": '`Budget(latency=0.5, quantize="int8")`',
}


@figures
def int8_latency() -> str:
    rows = result("int8_latency")["results"]
    lines = []
    for method, goes in GOES.items():
        for bound, asked in ASKED.items():
            cells = []
            for network in JUDGED:
                row = one(rows, network=network, bound=bound, method=method)
                cells += ["can't be met", ""] if "failed" in row else [f"{row['accuracy']:.2f}", f"{row['left']:.2f}"]
            lines.append([f"{goes}, {asked}", *cells])
    headers = ["without labels or training"]
    for network, name in JUDGED.items():
        whole = next(row["whole_accuracy"] for row in rows if row["network"] == network and "failed" not in row)
        headers += [f"{name} ({whole:.2f}): top-1", "latency left"]
    off = [abs(row["left"] / row["predicted"] - 1) for row in rows if row.get("predicted")]
    return (
        "As int8 files, latency in parts of the original's *as int8* (`python benchmarks/int8_latency.py --data-dir …`)"
        f"; {tested()}, one thread of an x86 CPU:\n\n"
        f"{markdown(headers, lines)}\n\nInt8 latencies of {len(off)} networks were predicted to "
        f"{percent(sorted(off)[len(off) // 2], 1)} in the median, {percent(max(off), 1)} at worst."
    )


@figures
def fewer_filters() -> str:
    rows = result("edge")["widths"]
    lines = []
    for network, name in NAMES.items():
        cells = []
        for width in (0.5, 0.25):
            float32, int8 = (one(rows, network=network, width=width, stored=s) for s in ("float32", "int8"))
            whole = one(rows, network=network, width=1.0, stored="float32")
            cells += [f"{whole['macs'] / float32['macs']:.1f}×"]
            cells += [f"{float32['speed_up']:.1f}×", f"{int8['speed_up']:.1f}×"]
        lines.append([name, *cells])
    headers = [
        "", "width 0.5: fewer MACs", "faster, float", "faster, int8", "width 0.25: fewer MACs", "faster, float",
        "faster, int8",
    ]  # fmt: skip
    zeros = [row["speed_up"] for row in result("edge")["zeros"]]
    return (
        "Fewer filters, on the other hand, arrive as time. MobileNets of 96 × 96 and a VGG-16 of 32 × 32, float and "
        "int8, one thread of an AMD EPYC, the only CPU that was measured ([all of it](docs/benchmarks.md#edge), "
        "`python benchmarks/edge.py`); zeros "
        f"bring {min(zeros):.2f}–{max(zeros):.2f}× there at any sparsity, as it has AVX:\n\n{markdown(headers, lines)}"
    )


@figures
def int8_speed() -> str:
    rows = [row for row in result("edge")["widths"] if row["width"] == 1.0]
    told = []
    for network, name in NAMES.items():
        float32, int8 = (one(rows, network=network, stored=stored) for stored in ("float32", "int8"))
        told.append(f"{name} {float32['median_ms'] / int8['median_ms']:.1f}×")
    without = one(result("vgg16_fashion_mnist")["rows"], network="whole", stored="int8")["speed_up"]
    return (
        f"int8 beside float32, the same network, on one thread of a CPU with AVX-512 VNNI: {', '.join(told)} as fast. "
        f"On one without these instructions: VGG-16 {without:.1f}×; int8 saves bytes there, hardly time."
    )


@figures
def arm64() -> str:
    rows = result("arm64")["results"]
    wrong, failed = (sum(row["seen"] == seen for row in rows) for seen in ("wrong", "fails"))
    litert = next(name for name in result("arm64")["packages"] if "litert" in name).replace("==", " ")
    if not all(row["agrees"] for row in rows):
        raise LookupError("lint did not predict every variant: the text says it did")
    other = [row["variant"] for row in rows if row["predicted"] != row["seen"]]
    exact = f", but for {len(other)} that it calls wrong and that can't be loaded ({', '.join(other)})" if other else ""
    return (
        f"Of {len(rows)} small networks that differ in one thing, the ARM package of {litert} gets "
        f"{wrong} wrong and can't load {failed} (`python benchmarks/arm64.py`, [all of "
        f"them](docs/benchmarks.md#arm64)). `lint` predicts which, and how{exact}; `to_tflite(model, path, "
        "sparse=True)` "
        "refuses all of them and says how to mend them. A PC with AVX never uses these kernels, so no test there can "
        "see it."
    )


@figures
def older_runtimes() -> str:
    content = result("older_runtimes")
    rows, versions = content["results"], content["versions"]
    wrong = [row for row in rows if row["wrong"]]
    old = wrong[0]["wrong"]
    if any(row["told"] != bool(row["wrong"]) or row["wrong"] not in ([], old) for row in rows) or any(
        row["wrong"] != row["wrong in each"] for row in rows
    ):
        raise LookupError("lint did not tell exactly what the same runtimes get wrong: the text says it did")
    return (
        f"Of {len(rows)} small networks, ai-edge-litert {', '.join(old[:-1])} and {old[-1]} get {len(wrong)} wrong, in "
        f"each precision, and {' and '.join(versions[len(old) :])} none (`python benchmarks/older_runtimes.py`, "
        "[all of them](docs/benchmarks.md#older_runtimes)). `lint` names exactly these; so do the notes of what "
        "`to_tflite` returns."
    )


@figures
def zeros_or_filters() -> str:
    rows = result("zeros_or_filters")["rows"]
    original = one(rows, kind="whole", stored="float32")
    cells = []
    for zeros in (row for row in rows if (row["kind"], row["stored"]) == ("zeros", "float32")):
        filters, int8 = (one(rows, kind="filters", sparsity=zeros["sparsity"], stored=s) for s in ("float32", "int8"))
        cells.append(
            [
                f"{zeros['elsewhere']:.2f}×",
                percent(zeros["sparsity"]),
                f"{zeros['accuracy']:.2f}",
                f"{filters['here']:.2f}×",
                f"{filters['refitted']:.2f}",
                f"**{filters['accuracy']:.2f}**",
                f"{int8['accuracy']:.2f} at {int8['here']:.2f}×",
            ]
        )
    headers = [
        "as fast on ARM, as others measured", "zeros in 1 × 1 convolutions", "zeros: top-1", "as fast, measured here",
        "filters: before training", "filters: top-1", "the same, int8",
    ]  # fmt: skip
    return (
        f"A network of MobileNet V2's blocks that has the form whose zeros are skipped ({original['accuracy']:.2f} % "
        "of the 10,000 test images of CIFAR-10 (JPEG)), made as fast in two ways; each trained for five epochs more "
        "with the original as the teacher (`python benchmarks/zeros_or_filters.py --data-dir …`):\n\n"
        + markdown(headers, cells)
    )


@figures
def headline() -> str:
    rows, whole = [], ""
    for name, stored in (("resnet56_half", "float32"), ("resnet56_int8", "int8")):
        card = json.loads((ROOT / "tflite_models" / f"{name}.tflite.json").read_text(encoding="utf-8"))
        extra = card["extra"]
        own, whole = (
            text.replace("%", " %")
            for text in (extra["Top-1"].partition(" of ")[0], extra["Top-1"].rpartition("original ")[2])
        )
        size = f"{card['bytes'] / 1e6:.2f} MB of {int(extra['Original'].split()[0].replace(',', '')) / 1e6:.2f}"
        faster = extra["Speed-up"].partition(" of ")[0]
        rows.append([f"`tflite_models/{name}.tflite`, {stored}", own, faster, size])
    right, faster, bytes_of = extra["Original, as int8"].split(", ", 2)
    size = f"{int(bytes_of.split()[0].replace(',', '')) / 1e6:.2f} MB of {size.rpartition(' ')[2]}"
    rows.append(["for comparison: the original as int8", right.partition(" of ")[0].replace("%", " %"), faster, size])
    return (
        f"A public ResNet-56 for CIFAR-10 ({whole} before), factorised for half of its latency as float, and for three "
        "quarters of what it takes as int8, from 1,024 images without labels, without training (`python "
        f"examples/headline_models.py --data-dir …`); {tested()}, one thread of an x86 CPU:\n\n"
        + markdown(["file", "top-1", "faster", "size"], rows)
    )
