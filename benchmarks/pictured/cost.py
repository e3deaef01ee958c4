"""Pictures of what things cost: latency, bytes, seconds."""

from __future__ import annotations

from statistics import median

from blocks import one, result
from charts import Bars, Lines, Picture, picture
from shown.devices import NAMES
from shown.partition import DEVICES


@picture
def filter_latency() -> Picture:
    rows = {
        f"{row['network']}, {row['variant']}": {"fewer MACs": row["fewer_macs"], "faster": row["speed_up"]}
        for row in result("filter_latency")["results"]
        if row["variant"] != "whole"
    }
    return Picture(
        "How much of fewer multiply-accumulates arrives", (Bars("160 × 160, one thread", "times", rows, 1.0),)
    )


@picture
def edge() -> Picture:
    content = result("edge")
    widths = {
        f"{name}, width {width:g}": {
            stored: one(content["widths"], network=network, width=width, stored=stored)["speed_up"]
            for stored in ("float32", "int8")
        }
        for network, name in NAMES.items()
        for width in (0.5, 0.25)
    }
    zeros = {
        f"{NAMES[row['network']]}, {row['sparsity']:.0%} zeros": {
            "here": row["speed_up"],
            "elsewhere": row["elsewhere"],
        }
        for row in content["zeros"]
        if row["stored"] == "float32, sparse" and row["sparsity"] >= 0.7
    }
    return Picture(
        "Fewer filters are faster, zeros only where the kernels skip them",
        (
            Bars("fewer filters", "times as fast", widths, 1.0, 1),
            Bars("zeros of 1 × 1 convolutions", "times as fast", zeros, 1.0, 1),
        ),
    )


@picture
def block_sparse_dense() -> Picture:
    rows = {
        f"{row['what']}, {row['sparsity']:.0%}": {"speed-up": row["speedup"]}
        for row in result("block_sparse_dense")["results"]
    }
    return Picture("Zeros in Dense layers", (Bars("one thread, AVX-512", "times as fast", rows, 1.0),))


@picture
def file_sizes() -> Picture:
    content = result("file_sizes")["results"]
    names = {"tfprune": "tfprune", "tfmot": "TFMOT"}
    ways = [(zeros, how) for zeros in (0.5, 0.8, 0.9) for how in ("as it is", "zeros left out", "8-bit weights")]
    panels = tuple(
        Bars(
            title,
            "kB",
            {
                f"{zeros:.0%}, {how}": {
                    name: one(content[library], sparsity=zeros, stored=how)[key] / 1000
                    for library, name in names.items()
                }
                for zeros, how in ways
            },
            digits=0,
        )
        for key, title in (("bytes", "the file"), ("gzip", "after gzip"))
    )
    return Picture("Bytes of a small network with zeros", panels)


@picture
def step_time() -> Picture:
    content = result("step_time")["results"]
    names = {"tfprune": "tfprune", "tfmot": "TFMOT"}
    rows = {
        f"{network} weights, {how_often}": {
            name: one(content[library][network]["times"], frequency=frequency)["step_ratio"]
            for library, name in names.items()
        }
        for network in content["tfprune"]
        for frequency, how_often in ((100, "every 100 steps"), (10, "every 10 steps"), (1, "every step"))
    }
    return Picture(
        "A training step with pruning ÷ a plain one", (Bars("by how often masks change", "ratio", rows, 1.0),)
    )


@picture
def mask_update() -> Picture:
    rows = {row["name"].replace("`", ""): {"ms": median(row["ms"])} for row in result("mask_update")["results"]}
    return Picture("An update of the masks of 655,360 weights", (Bars("median", "ms", rows, 15.0, 1),))


@picture
def refit_cost() -> Picture:
    rows = {
        row["name"].replace("resnet56_cifar10", "ResNet-56"): {
            "to choose": row["plan_seconds"], "to refit": row["refit_seconds"],
        }
        for row in result("refit_cost")["results"]
    }  # fmt: skip
    return Picture("Half of the multiply-accumulates, 512 images", (Bars("one core", "seconds", rows, digits=0),))


@picture
def partition() -> Picture:
    panels = []
    for network in result("partition")["results"]:
        rows = {}
        for plan in network["plans"]:
            key = "throughput" if plan["objective"] == "throughput" else "latency"
            ratio = plan["run"][key] / plan["run"][f"expected_{key}"]
            rows[f"{DEVICES[plan['devices']]}, {key}"] = {"measured ÷ predicted": ratio}
        panels.append(Bars(network["name"], "measured ÷ predicted", rows, 1.0))
    return Picture("What was predicted for networks over several devices", tuple(panels))


@picture
def graph_scaling() -> Picture:
    rows = [row for row in result("graph_scaling")["results"] if row["name"].isdigit()]
    names = {"trace_seconds": "traced", "shrink_seconds": "cut", "build_seconds": "built by Keras"}
    curves = {name: [(float(row["operations"]), row[key]) for row in rows] for key, name in names.items()}
    return Picture("Deep chains of blocks", (Lines("50 to 800 blocks", "operations", "seconds", curves),))


@picture
def import_time() -> Picture:
    rows = {row["statement"]: {"s": median(row["seconds"])} for row in result("import_time")["results"]}
    return Picture("Time of an import in a fresh process", (Bars("median of 15", "seconds", rows, 0.2, 3),))
