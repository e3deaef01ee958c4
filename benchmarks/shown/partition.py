"""Networks split over devices: predicted and measured times, and how far explorers are from the optimum."""

from __future__ import annotations

from statistics import mean

from blocks import figures, result
from common import markdown

ALSO = {"amc": "reinforcement"}
"""Solvers by their other names, and how the text calls them."""
DEVICES = {
    "phone_and_edge_server": "a phone and an edge server",
    "three_raspberry_pis": "three Raspberry Pis",
    "microcontroller_and_phone": "a microcontroller and a phone",
}


@figures
def partition_times() -> str:
    rows, solved = [], []
    for network in result("partition")["results"]:
        for plan in network["plans"]:
            run, throughput = plan["run"], plan["objective"] == "throughput"
            key, unit = ("throughput", "/s") if throughput else ("latency", " ms")
            solved.append(1000 * plan["plan"]["seconds"])
            rows.append(
                [
                    network["name"],
                    DEVICES[plan["devices"]],
                    plan["objective"],
                    len(plan["plan"]["stages"]),
                    f"{run[f'expected_{key}']:.1f}{unit}",
                    f"{run[key]:.1f}{unit}",
                    f"{100 * (run[key] / run[f'expected_{key}'] - 1):+.0f} %",
                ]
            )
    table = markdown(["network", "devices", "objective", "stages", "predicted", "measured", "off by"], rows)
    return (
        f"The exact solver took {max(solved):.1f} ms at most. Predicted for this machine, and measured on it by "
        "`run_stages`, links and slower devices emulated (`python benchmarks/partition.py`). One stage means that not "
        "to "
        f"split is best: the whole network runs on one device.\n\n{table}"
    )


@figures
def partition_gaps() -> str:
    networks = result("partition")["results"]
    plans = [plan for network in networks for plan in network["plans"]]
    hard = [plan for plan in plans if len(plan["plan"]["stages"]) == 3]
    solvers = list(plans[0]["gaps"])
    rows = [
        [
            f"`{ALSO.get(solver, solver)}`",
            f"{100 * mean(plan['gaps'][solver]['gap'] for plan in plans):.1f}",
            f"{100 * max(plan['gaps'][solver]['gap'] for plan in hard):.1f}",
        ]
        for solver in solvers
    ]
    headers = ["explorer", f"mean of {len(plans)} problems, %", f"worst of the {len(hard)} with three stages, %"]
    return f"How far explorers end above the optimum:\n\n{markdown(headers, rows)}"
