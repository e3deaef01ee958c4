"""Strategies of search: how near they come to the optimum, how good their fronts are."""

from __future__ import annotations

from typing import Any

from blocks import figures, result
from common import markdown

from shown.filters import spread

NETWORKS = {"fashion_cnn": "Fashion-MNIST", "resnet20_cifar10": "ResNet-20"}


def strategies(rows: list[dict[str, Any]]) -> list[str]:
    """Return the names of the strategies, in order."""
    return list(dict.fromkeys(row["strategy"] for row in rows))


@figures
def search_gaps() -> str:
    content = result("search")
    steps = ("10", "30", "100", "300")
    lines = []
    for name in strategies(content["gaps"]):
        own = [row for row in content["gaps"] if row["strategy"] == name]
        values = [[100 * row[step] for row in own if row[step] is not None] for step in steps]
        lines.append([f"`{name}`", *(f"{sum(v) / len(v):.1f}" if v else "" for v in values)])
    table = markdown(["strategy", *(f"after {step} plans" for step in steps)], lines)
    return (
        f"A network small enough that all its {len(content['exhaustive'])} plans were really made and refitted: by "
        "how many per cent the best plan found is worse than the best there is, the mean of three seeds "
        f"(`python benchmarks/search.py --data-dir …`):\n\n{table}"
    )


@figures
def search_fronts() -> str:
    content = result("search")
    lines = []
    for name in strategies(content["fronts"]):
        cells = []
        for network in NETWORKS:
            own = [row for row in content["fronts"] if (row["strategy"], row["network"]) == (name, network)]
            for plans in ("100", "1000"):
                values = [row["volumes"][plans] for row in own if plans in row["volumes"]]
                cells.append(spread(values) if values else "")
            cells.append(spread([row["seconds"] for row in own]))
        lines.append([f"`{name}`", *cells])
    headers = ["strategy"]
    for title in NETWORKS.values():
        headers += [f"{title}: after 100 plans", "after 1,000", "seconds"]
    return (
        "A front of estimated error and latency, as the volume it encloses (larger is better; those that look for one "
        f"network have no front to show), mean of three seeds ± standard deviation:\n\n{markdown(headers, lines)}"
    )


@figures
def search_winners() -> str:
    content = result("search")
    names = {
        "search": "`search.run`: channels and forms",
        "obs, greedy": "`plan_filters`: channels alone",
        "L1, same part of each group": "L1, the same part of each group",
    }
    lines = []
    for network, title in NETWORKS.items():
        for method, told in names.items():
            own = [row for row in content["winners"] if (row["network"], row["method"]) == (network, method)]
            if own:
                cells = [spread([row[key] for row in own]) for key in ("latency", "refitted", "tuned", "seconds")]
                lines.append([title, told, *cells])
    headers = ["network", "cut by", "latency, measured", "refitted, no labels", "then 4 epochs", "seconds"]
    best = [
        [
            row["refitted"] - row["tuned"]
            for row in content["winners"]
            if (row["network"], row["method"]) == (one, "search")
        ]
        for one in NETWORKS
    ]
    if min(sum(lost) for lost in best) <= 0:
        raise LookupError("training did not lower the accuracy of what was found: the text says it did")
    return (
        "Networks of half of the latency, each refitted on images without labels and then trained for four epochs; "
        f"means of three seeds ± standard deviation:\n\n{markdown(headers, lines)}\n\nThe networks that search had "
        "found "
        "*lost* by these four epochs, as the refit had left them little to gain: compare before you keep a trained one."
    )


@figures
def search_workers() -> str:
    content = result("search")["workers"]
    one, two = content["1"], content["2"]
    ratio = one["seconds"] / two["seconds"]
    lines = [[str(count), f"{row['seconds']:.0f}", f"{row['each']:.1f}"] for count, row in (("1", one), ("2", two))]
    table = markdown(["workers", "seconds in all", "seconds of each plan"], lines)
    return (
        f"Sixteen plans of ResNet-20 made and refitted on a machine of two cores, by `workers=1` and `workers=2`: "
        f"{ratio:.2f}× as many plans per second, the time that processes take to start included.\n\n{table}"
    )
