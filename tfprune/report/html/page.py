"""The page: one file that needs nothing else and can reach nothing else."""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

from tfprune.report.data import Report
from tfprune.report.html.front import front_chart
from tfprune.report.html.lead import sentence, tiles
from tfprune.report.html.lines import history_charts, stage_charts, stage_of
from tfprune.report.html.maps import weight_cards
from tfprune.report.html.script import SCRIPT
from tfprune.report.html.strips import strips
from tfprune.report.html.style import STYLE
from tfprune.report.html.table import file_table, layer_table
from tfprune.report.html.waterfall import waterfalls
from tfprune.report.words import block, number, text

__all__ = ["page"]

KINDS = {"models": "Before and after", "compress": "Compression report", "search": "Search report"}
GONE = '<li><span class="key gone"></span>gone</li>'
SIDES = '<li><span class="key was"></span>before</li><li><span class="key kept"></span>after</li>'


class Section(NamedTuple):
    """A part of the page."""

    name: str
    title: str
    deck: str
    content: str


def page(report: Report) -> str:
    """Return the page of a report."""
    sections = [section for section in found(report) if section.content]
    links = "".join(f'<a href="#{one.name}">{one.title}</a>' for one in sections)
    parts = "".join(
        f'<section id="{one.name}" aria-labelledby="{one.name}-title"><h2 id="{one.name}-title">{one.title}</h2>'
        f'<p class="deck">{one.deck}</p>{one.content}</section>'
        for one in sections
    )
    told = sentence(report)
    lead = f'<p class="lead">{told}</p>' if told else ""
    about = f'<p class="deck">{text(report.about, 600)}</p>' if report.about else ""
    date = f" · {text(report.date, 40)}" if report.date else ""
    made = report.environment.get("tfprune")
    kind = KINDS.get(report.source, "Report")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/><meta name="referrer" content="no-referrer"/>'
        f"<title>{text(report.title)} – tfprune</title><style>{STYLE}</style></head>\n"
        f'<body><div class="page"><header><div class="top"><p class="kicker">{kind}{date}</p>'
        f'<button type="button" class="theme" aria-label="Switch between light and dark"></button></div>'
        f"<h1>{text(report.title, 120)}</h1>{lead}"
        f"{about}{tiles(report) if report.headline else ''}"
        f'<nav aria-label="Sections">{links}</nav></header>\n<main>{parts}</main>'
        f"<footer>{f'Made by tfprune {text(made)}. ' if made else ''}Everything here was measured or read; what is not "
        'known is left out.</footer></div><div id="tip" role="tooltip" hidden=""></div>'
        f"\n<script>{SCRIPT}</script></body></html>\n"
    )


def policy() -> str:
    """Return what the page may do: use its own style and script, and nothing else."""
    script, style = (
        base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in (SCRIPT, STYLE)
    )
    return (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; base-uri 'none'; "
        "form-action 'none'"
    )


def found(report: Report) -> list[Section]:
    """Return the sections of a report, those without content too."""
    return [
        Section("front", "The front", front_deck(report), front_panel(report)),
        Section(
            "stages",
            "Stage by stage",
            "What was measured on the validation data after each stage. Orange rings are below the floor.",
            f'<div class="panel">{stage_charts(report.stages)}</div>' if len(report.stages) > 1 else "",
        ),
        Section(
            "training",
            "Over training",
            training_deck(report),
            f'<div class="panel">{history_charts(report.history, report.epochs)}</div>' if report.history else "",
        ),
        Section(
            "files",
            "Files",
            "What was exported, as the interpreter runs it. Times are medians, beside the dense network as float32.",
            file_table(report.files) if report.files else "",
        ),
        Section("layers", "Layer by layer", layer_deck(report), layer_panel(report)),
        Section(
            "channels",
            "Channels that are left",
            "A strip is a group of channels that live and die together, in order; gaps are channels that have gone.",
            channel_panel(report),
        ),
        Section(
            "weights",
            "The largest kernels",
            "Each map is a kernel, inputs down and outputs across, averaged over cells. Below it: how the weights "
            "that are not zero are spread.",
            weight_panel(report),
        ),
        Section(
            "time",
            "Where the time goes",
            "Operations in the order in which the interpreter runs them. Totals are exact, parts approximate: "
            "neighbours are fused and scheduled together.",
            f'<div class="panel">{waterfalls(report.waterfalls)}</div>' if report.waterfalls else "",
        ),
        Section("made", "How it was made", "What is needed to make the same again.", made_panel(report)),
    ]


def training_deck(report: Report) -> str:
    """Return what the charts of the training show."""
    several = len({stage_of(label) for label in report.epochs}) > 1
    return f"By epoch, as Keras recorded it.{' Dotted lines are where a stage begins.' if several else ''}"


def front_deck(report: Report) -> str:
    """Return what the chart of the front shows."""
    if report.front is None:
        return ""
    front, made = report.front, len(report.front.points)
    looked = f"{number(front.estimated)} plans were estimated; " if front.estimated else ""
    failed = f" {front.failed} failed." if front.failed else ""
    beaten = " Grey ones are beaten by another in both." if any(one.role == "trial" for one in front.points) else ""
    return f"{looked}{made} networks were made and measured on the last rung.{failed}{beaten}"


def front_panel(report: Report) -> str:
    """Return the chart of the front."""
    if report.front is None or not report.front.points:
        return ""
    return (
        f'<div class="panel overflow" tabindex="0" role="region" aria-label="Front">{front_chart(report.front)}</div>'
    )


def layer_deck(report: Report) -> str:
    """Return what the table of layers shows."""
    changed = sum(row.before is not None and row.before != row.after for row in report.layers)
    counted = f"{changed} of {len(report.layers)} layers have another size now. " if changed else ""
    scored = any(row.score is not None and row.score < 1 for row in report.layers)
    judged = f"Score left is the part of the weights' {text(report.criterion)} that was not removed. " if scored else ""
    return f"{counted}Struck out is what it was. {judged}Click on a heading to sort."


def layer_panel(report: Report) -> str:
    """Return the table of layers, with a field to filter by name."""
    return f"{_filter('layer-rows', 'layers')}{layer_table(report.layers)}" if report.layers else ""


def channel_panel(report: Report) -> str:
    """Return the strips, with a field to filter where there are many."""
    if not report.channels:
        return ""
    unsure = any(not row.runs and row.left is not None for row in report.channels)
    legend = '<li><span class="key kept"></span>left</li>' + GONE
    legend += '<li><span class="key was"></span>so many are left, but not recorded which</li>' if unsure else ""
    field = _filter("group-rows", "groups") if len(report.channels) > 12 else ""
    return f'{field}<div class="panel"><ul class="legend">{legend}</ul>{strips(report.channels)}</div>'


def weight_panel(report: Report) -> str:
    """Return the maps and histograms with what their colours mean."""
    if not report.weights:
        return ""
    legend = '<li><span class="key low"></span>small to large magnitude</li>'
    if any("0" in row for picture in report.weights for row in picture.picture):
        legend += '<li><span class="key zero"></span>all zero</li>'
    if any("." in row for picture in report.weights for row in picture.picture):
        legend += GONE
    legend += SIDES if any(picture.before for picture in report.weights) else ""
    return f'<ul class="legend">{legend}</ul>{weight_cards(report.weights)}'


def made_panel(report: Report) -> str:
    """Return recipe, command, environment and notes."""
    left, right = "", ""
    if report.recipe:
        name = "Plan" if report.source == "search" else "Recipe"
        left += f'<h3 class="sub">{name}</h3><pre tabindex="0"><code>{block(report.recipe)}</code></pre>'
    if report.command:
        left += f'<h3 class="sub">Command</h3><pre tabindex="0"><code>{block(report.command)}</code></pre>'
    if report.environment:
        rows = "".join(f"<dt>{text(name)}</dt><dd>{text(held, 200)}</dd>" for name, held in report.environment.items())
        right += f'<h3 class="sub">Environment</h3><dl>{rows}</dl>'
    if report.notes:
        items = "".join(f"<li>{text(note, 400)}</li>" for note in report.notes)
        right += f'<h3 class="sub">Notes</h3><ul class="notes">{items}</ul>'
    if not left or not right:
        return f"<div>{left}{right}</div>" if left or right else ""
    return f'<div class="columns"><div>{left}</div><div>{right}</div></div>'


def _filter(where: str, what: str) -> str:
    return (
        f'<div class="tools"><input type="search" data-filter="{where}" placeholder="Filter {what}" '
        f'aria-label="Filter {what} by name"/><output aria-live="polite"></output></div>'
    )
