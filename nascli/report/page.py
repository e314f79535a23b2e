"""report.html: one page that needs nothing else, with what was asked, the answer, and all trials.

Its charts are drawn by uPlot (https://github.com/leeoniya/uPlot, MIT; assets/uplot.LICENSE), which
stands in the page with page.js; everything else is there without any script.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from nascli.core.words import counted
from nascli.report import chart, sections
from nascli.report.chart import Bars, Figures
from nascli.report.units import duration, words

# How headings read, and the order in which sections come; whatever else a report has comes before
# the last ones.
_HEADINGS = {
    "verdict": "Verdict",
    "networks": "Networks",
    "comparisons": "Differences in test accuracy, in points, with 95 % intervals",
    "sizes": "Sizes",
    "problem": "Problem",
    "best": "Best trial",
    "front": "Front",
    "incumbents": "How the best improved",
    "failures": "Failures",
    "epochs": "Epochs",
    "genotype": "Genotype",
    "config": "Config",
    "environment": "Environment",
}
_LAST = ("config", "environment")
_CARDS = ("result", "final", "costs")  # shown as large numbers on top
# Settings, not measurements.
_AS_WRITTEN = {"problem", "failures", "genotype", "config", "environment"}
_FOLDED = {"genotype", "config", "environment", "epochs", "problem", "best"}
_PLOTS = 4  # that a figure may have without being folded
_SHORT = 20  # rows that a table may have without being folded
_SAID = {"verb", "unit", "title", "seconds", "trials", "description", "notice"}
_SAID |= {"warnings", "ended"}
_ASKED = ("strategy", "estimator", "reference", "space", "scaling", "data", "training", "device")
_ASKED_KEYS = ("objectives", "constraints", "budget", "seed", "genotype")
_CAPTIONS = {"anytime": "Best so far", "readout": "Signs of a collapse"}


@dataclass(frozen=True)
class Content:
    """All that a page shows.

    Args:
        report: what report.json holds; a key that is not known here becomes a table.
        figures: charts and bars by name.
        drawings: of the answer, name -> SVG; `narrow` the same for a telephone.
        config: the run's, as plain data; `idle` are the groups that play no part in it.
        environment: how and where it was started.
        trials: as `nascli.report.trials.table` gives them; None without any.
        layers: of the answer's network, a mapping each.
        notes: what one must know to read the numbers.
        then: commands that go on from here: (what for, command).
        sheets: pictures by name, as `data:` addresses.
        lines: the last words of a run that is still going on.
        following: what its server calls this state of the run, if it is to be asked for news.
    """

    report: Mapping[str, Any]
    figures: Figures = field(default_factory=dict)
    drawings: Mapping[str, str] = field(default_factory=dict)
    narrow: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    idle: Sequence[str] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    trials: Mapping[str, Any] | None = None
    layers: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    then: Sequence[tuple[str, str]] = ()
    sheets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lines: Sequence[str] = ()
    following: str = ""


def page(content: Content) -> str:
    """The whole page as HTML; all text from outside is escaped."""
    report = content.report
    whole = {**report, "config": content.config, "environment": content.environment}
    keys = [key for key in _HEADINGS if key in whole and key not in _LAST]
    keys += [key for key in report if key not in {*_SAID, *_CARDS, *_HEADINGS}]
    keys += _LAST
    title = _title(report)
    data = {
        "charts": {
            name: chart.to_json(figure)
            for name, figure in content.figures.items()
            if not isinstance(figure, Bars)
        },
        "trials": content.trials,
        "following": content.following,
    }
    answer = [
        sections.cards({n: v for key in _CARDS for n, v in (report.get(key) or {}).items()}),
        f"<pre>{escape(report['description'])}</pre>" if report.get("description") else "",
        sections.drawings(content.drawings, content.narrow),
    ]
    parts = [
        f"<header><h1>{escape(title)}</h1>{_about(report)}{sections.pairs(_asked(content))}</header>",
        "<main>",
        _part("Answer", "".join(answer)),
        sections.notes(_notes(content)),
        f"<pre class=log>{escape(chr(10).join(content.lines))}</pre>" if content.lines else "",
        sections.sheets(content.sheets),
        _section("verdict", report.get("verdict")),
        _part("Next", sections.commands(content.then)),
        "".join(_figure(name, content.figures[name]) for name in content.figures),
        _layers(content.layers),
        _trials(content.trials, str(report.get("unit", "trial"))),
        *(_section(key, whole[key]) for key in keys if whole.get(key) and key != "verdict"),
        "</main>",
    ]
    return document(title, "\n".join(filter(None, parts)), data, asking=bool(content.following))


def document(title: str, body: str, data: object = None, *, asking: bool = False) -> str:
    """A page of this look; with `data` it has the script, which may be `asking` its server."""
    style, script, policy = _assets(asking)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>',
        f"<style>{style}</style></head><body>",
        body,
    ]
    if data is not None:
        parts.append(f'<script type="application/json" id="data">{_embedded(data)}</script>')
        parts.append(f"<script>{script}</script>")
    return "\n".join([*parts, "</body></html>"]) + "\n"


@cache
def _assets(asking: bool) -> tuple[str, str, str]:
    """Style, script, and the policy: nothing is loaded, and nothing but this script runs.

    So nothing does that a name or an error text brings along.
    """
    folder = Path(__file__).parent / "assets"
    css, js = (
        "\n".join((folder / f"{name}.{end}").read_text("utf-8") for name in ("uplot", "page"))
        for end in ("css", "js")
    )
    digest = base64.b64encode(hashlib.sha256(js.encode()).digest()).decode()
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    policy += f"script-src 'sha256-{digest}'"
    return css, js, policy + ("; connect-src 'self'" if asking else "")


def _embedded(data: object) -> str:
    """JSON that no HTML parser takes for the end of the script."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _title(report: Mapping[str, Any]) -> str:
    if "title" in report:
        return str(report["title"])
    problem = report.get("problem") or {}
    things = (report.get("verb", "nascli"), problem.get("space"), problem.get("task"))
    return " · ".join(str(thing) for thing in things if thing)


def _about(report: Mapping[str, Any]) -> str:
    counts, seconds = report.get("trials"), report.get("seconds")
    facts = []
    if isinstance(counts, Mapping):
        facts.append(", ".join(f"{counts[kind]:,} {kind}" for kind in counts if kind != "all"))
        facts[0] = f"{counted(counts.get('all', 0), report.get('unit', 'trial'))} ({facts[0]})"
    if seconds is not None:
        facts.append(f"in {duration(seconds)}")
    networks = (report.get("problem") or {}).get("networks")
    if networks:
        facts.append(f"· networks for {networks}")
    return f'<p class="about">{escape(" ".join(facts))}</p>' if facts else ""


def _asked(content: Content) -> dict[str, str]:
    """What was asked for, in the command line's words."""
    choices = content.environment.get("choices") or {}
    asked = ("data",) if content.sheets else [key for key in _ASKED if key not in content.idle]
    rows = {key: str(choices[key]) for key in asked if choices.get(key) not in (None, "none")}
    for key in _ASKED_KEYS:
        value = content.config.get(key)
        if isinstance(value, Mapping):
            told = [f"{name} {item}" for name, item in value.items() if item is not None]
            value = ", ".join(told)
        if value not in (None, "", [], {}):
            rows[key] = str(value)
    command = content.environment.get("command")
    return {**rows, "command": str(command)} if command else rows


def _notes(content: Content) -> list[str]:
    report = content.report
    said = [str(report["notice"])] if report.get("notice") else []
    said += [*report.get("warnings", ()), *content.notes]
    if report.get("ended"):
        said.append(f"ended: {report['ended']}")
    return said


def _part(heading: str, body: str) -> str:
    return f"<section><h2>{heading}</h2>{body}</section>" if body else ""


def _figure(name: str, figure: chart.Figure) -> str:
    caption = _CAPTIONS.get(name) or " over ".join(words(part) for part in name.split("_over_"))
    heading = f"<h2>{escape(caption[:1].upper() + caption[1:])}</h2>"
    if isinstance(figure, Bars):
        return f"<section>{heading}{sections.bars(figure)}</section>"
    body = f'<div class="charts" data-charts="{escape(name)}"></div>'
    if len(figure) > _PLOTS:
        return f"<details><summary>{escape(caption.capitalize())}</summary>{body}</details>"
    return f"<section>{heading}{body}</section>"


def _layers(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    body = sections.grid(rows)
    return f"<details><summary>Layers</summary>{body}</details>"


def _trials(table: Mapping[str, Any] | None, unit: str) -> str:
    if not table or not table["number"]:
        return ""
    return (
        f'<section><h2>{escape(unit.capitalize())}s</h2><div id="trials"></div></section>'
        "<noscript><p>history.jsonl holds every trial.</p></noscript>"
    )


def _section(key: str, value: Any) -> str:
    heading = escape(_HEADINGS.get(key, key.replace("_", " ").capitalize()))
    if key == "test" and isinstance(value, Mapping) and "per_class" in value:
        value, classes = sections.by_class(value)
        return _section(key, value) + _section("each_class_of_the_test_images", classes)
    body, rows = sections.anything(value, as_written=key in _AS_WRITTEN)
    if not body:
        return ""
    if key in _FOLDED or rows > _SHORT:
        return f"<details><summary>{heading}</summary>{body}</details>"
    return f"<section><h2>{heading}</h2>{body}</section>"
