"""What teachers, gates and programmes of strategies are worth, each with equal epochs and three seeds."""

from __future__ import annotations

from statistics import mean
from typing import Any

from blocks import figures, result
from common import markdown

from shown.filters import percent, spread

NETWORKS = {"fashion_cnn": "Fashion-MNIST", "resnet20_cifar10": "ResNet-20"}
PARTS = (0.5, 0.3)
SEEDS = 3


def accuracies(network: str, kind: str, method: str, part: float = 1.0) -> list[float]:
    """Return the accuracies of a method, one for each seed.

    Raises:
        LookupError: If some have not been measured.
    """
    rows = result("programmable_training")["results"]
    wanted = (network, kind, method, part)
    found = [row["accuracy"] for row in rows if (row["network"], row["kind"], row["method"], row["part"]) == wanted]
    if len(found) != SEEDS:
        raise LookupError(f"{len(found)} results of {wanted}, not {SEEDS}")
    return found


def methods(kind: str) -> list[str]:
    """Return the names of the methods of a kind, in order."""
    rows = result("programmable_training")["results"]
    return list(dict.fromkeys(row["method"] for row in rows if row["kind"] == kind))


def epochs(network: str) -> int:
    """Return how long a network was trained."""
    rows: list[dict[str, Any]] = result("programmable_training")["results"]
    return int(next(row["epochs"] for row in rows if row["network"] == network))


def lengths() -> str:
    """Return in words how long the networks were trained."""
    return " and ".join(f"{epochs(network)} epochs ({title})" for network, title in NETWORKS.items())


def table(kind: str, heading: str) -> str:
    """Return the accuracies of all methods of a kind as Markdown; the best of each column is bold."""
    columns = [(network, part) for network in NETWORKS for part in PARTS]
    best = {one: max(mean(accuracies(one[0], kind, method, one[1])) for method in methods(kind)) for one in columns}
    rows = []
    for method in methods(kind):
        cells = []
        for network, part in columns:
            found = accuracies(network, kind, method, part)
            told = spread(found)
            cells.append(f"**{told}**" if mean(found) == best[network, part] else told)
        rows.append([method, *cells])
    return markdown(
        [heading, *(f"{NETWORKS[network]}, {percent(part)} of the MACs" for network, part in columns)], rows
    )


@figures
def teachers() -> str:
    whole = result("programmable_training")["dense"]
    dense = " and ".join(f"{whole[network]:.2f} % ({title})" for network, title in NETWORKS.items())
    return (
        f"Networks cut without labels (`prune_filters(…, data=…)`), then trained for {lengths()} on a few thousand "
        f"images; the originals reach {dense}; mean of three seeds ± standard deviation "
        "(`python benchmarks/programmable_training.py --data-dir …`):\n\n" + table("teacher", "trained by")
    )


@figures
def cuts() -> str:
    return (
        f"The same number of multiply-accumulates left by each, after {lengths()}, with labels; mean of three seeds ± "
        "standard deviation (`python benchmarks/programmable_training.py --data-dir …`):\n\n"
        + table("cut", "what chooses the channels")
    )


@figures
def programmes() -> str:
    rows = [
        [method, *(spread(accuracies(network, "programme", method)) for network in NETWORKS)]
        for method in methods("programme")
    ]
    return (
        f"90 % of the single weights zero in the end, after {lengths()} in all, no refit; mean of three seeds ± "
        "standard deviation (`python benchmarks/programmable_training.py --data-dir …`):\n\n"
        + markdown(["programme", *NETWORKS.values()], rows)
    )
