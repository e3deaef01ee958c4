"""Networks that are fitted into the flash and RAM of a microcontroller: keyword spotting."""

from __future__ import annotations

from statistics import mean

from blocks import figures, result
from common import markdown


@figures
def keywords() -> str:
    content = result("keyword_spotting")
    budgets, rows = content["settings"]["budgets"], content["results"]

    def measured(number: int, key: str, way: str | None = None) -> float:
        return mean(row[key] for row in rows if row["budget"] == number and way in (None, row["way"]))

    def needs(number: int) -> list[str]:
        return [f"{measured(number, key) / 1000:.1f} kB" for key in ("flash", "ram")]

    lines = []
    for number, (flash, ram) in enumerate(budgets, 1):
        ways = ("no labels", "taught", "taught as long", "drawn anew")
        lines.append(
            [
                f"`Budget(flash=\"{flash}\", ram=\"{ram}\")`", *needs(number),
                *(f"{measured(number, 'accuracy', way):.1f}" for way in ways),
            ]
        )  # fmt: skip
    table = markdown(
        ["", "flash", "RAM", "no labels", "then taught, 8 epochs", "25 epochs", "drawn anew, 25 epochs"], lines
    )
    flash, ram = needs(0)
    seeds = len({row["seed"] for row in rows})
    return (
        "A depthwise-separable network that tells ten spoken words, others and silence apart needs "
        f"{flash} of flash and {ram} of RAM, and is right for {measured(0, 'accuracy'):.1f} %. It is fitted into less "
        "and less memory, and then taught by the original; as a control, networks of the same sizes are drawn anew and "
        f"trained. Accuracy in per cent of the int8 files, {content['settings']['tested']:,} synthesised words, mean "
        f"of {seeds} seeds (`python benchmarks/keyword_spotting.py`):\n\n{table}"
    )
