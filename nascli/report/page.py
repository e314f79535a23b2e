"""report.html: one page that needs nothing else, with figures, results and how they came about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from nascli.core.words import counted
from nascli.report.units import duration, readable, words

# How headings read, and the order in which sections come; whatever else a report has comes before
# the last ones.
_HEADINGS = {
    "verdict": "Verdict",
    "networks": "Networks",
    "comparisons": "Comparisons",
    "sizes": "Sizes",
    "problem": "Problem",
    "best": "Best trial",
    "front": "Front",
    "incumbents": "How the best improved",
    "failures": "Failures",
    "epochs": "Epochs",
    "layers": "Layers",
    "genotype": "Genotype",
    "config": "Config",
    "environment": "Environment",
}
_LAST = ("config", "environment")
_CARDS = ("result", "final", "costs")  # shown as large numbers on top
# Settings, not measurements.
_AS_WRITTEN = {"problem", "failures", "genotype", "config", "environment"}
_FOLDED = {"genotype", "config", "environment", "epochs", "layers"}
_SHORT = 20  # rows that a table may have without being folded

_STYLE = """
body { font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #222;
       background: #fff; max-width: 880px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.about { color: #666; margin: .2rem 0 1.2rem; }
.cards { display: flex; flex-wrap: wrap; gap: .6rem; margin: .6rem 0; }
.card { border: 1px solid #ddd; border-radius: 8px; padding: .5rem .9rem; min-width: 7rem; }
.card b { display: block; font-size: 1.3rem; font-weight: 600; }
.card span { color: #666; font-size: .85rem; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .2rem .9rem .2rem .4rem; border-bottom: 1px solid #eee;
         vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; } td.number, th.number { text-align: right; white-space: nowrap;
     font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
pre { background: #f6f6f6; border-radius: 6px; padding: .7rem .9rem; overflow-x: auto;
      font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; }
figure { margin: 1.2rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
summary { cursor: pointer; font-size: 1.15rem; font-weight: 600; margin: 1.2rem 0 .5rem; }
"""
# Nothing may be loaded and nothing may run, whatever a name or an error text contains.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(report: Mapping[str, Any], figures: Mapping[str, str]) -> str:
    """The whole page as HTML.

    `report` is what report.json holds, and may have `config` and `environment` besides; a section
    that is not known here becomes a table under its own name. `figures` maps names to `<svg>`
    elements, which are set in as they are; all other text is escaped.
    """
    title = _title(report)
    known = {"verb", "title", "seconds", "trials", "description", *_CARDS}
    sections = [key for key in _HEADINGS if key in report and key not in _LAST]
    sections += [key for key in report if key not in known and key not in _HEADINGS]
    sections += [key for key in _LAST if key in report]
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        _about(report),
        _cards({name: value for key in _CARDS for name, value in (report.get(key) or {}).items()}),
        f"<pre>{escape(report['description'])}</pre>" if report.get("description") else "",
        *(_figure(name, svg) for name, svg in figures.items()),
        *(_section(key, report[key]) for key in sections),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


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
        facts.append(", ".join(f"{counts[kind]} {kind}" for kind in counts if kind != "all"))
        facts[0] = f"{counted(counts.get('all', 0), 'trial')} ({facts[0]})"
    if seconds is not None:
        facts.append(f"in {duration(seconds)}")
    networks = (report.get("problem") or {}).get("networks")
    if networks:
        facts.append(f"· networks for {networks}")
    return f'<p class="about">{escape(" ".join(facts))}</p>' if facts else ""


def _cards(values: Mapping[str, Any]) -> str:
    cards = (
        f'<div class="card"><b>{escape(_measured(name, value))}</b>'
        f"<span>{escape(words(name))}</span></div>"
        for name, value in values.items()
    )
    return f'<div class="cards">{"".join(cards)}</div>' if values else ""


def _figure(name: str, svg: str) -> str:
    caption = escape(" over ".join(words(part) for part in name.split("_over_")))
    return f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"


def _section(key: str, value: Any) -> str:
    heading = escape(_HEADINGS.get(key, key.replace("_", " ").capitalize()))
    body, rows = _body(value, as_written=key in _AS_WRITTEN)
    if not body:
        return ""
    if key in _FOLDED or rows > _SHORT:
        return f"<details><summary>{heading}</summary>{body}</details>"
    return f"<h2>{heading}</h2>{body}"


def _body(value: Any, *, as_written: bool) -> tuple[str, int]:
    """A section's content and how many rows it has."""
    if isinstance(value, Mapping):
        flat = _flat(value)
        write = _written if as_written else _measured
        rows = "".join(
            f"<tr><th>{escape(name if as_written else words(name))}</th>"
            f"<td>{escape(write(name, item))}</td></tr>"
            for name, item in flat.items()
        )
        return (f"<table>{rows}</table>" if rows else ""), len(flat)
    if isinstance(value, Sequence) and value and all(isinstance(row, Mapping) for row in value):
        return _grid(value), len(value)
    if value is None or value == [] or value == "":
        return "", 0
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(f"<p>{escape(line)}</p>" for line in value), len(value)
    return f"<pre>{escape(str(value))}</pre>", str(value).count("\n") + 1


def _grid(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f'<th class="number">{escape(words(name))}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="number">{escape(_measured(name, row.get(name)))}</td>' for name in names
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _measured(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_measured(name, item) for item in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _written(name, value)
    if isinstance(value, float) and not math.isfinite(value):
        return "–"
    return readable(name.rpartition(".")[2], value)


def _written(_name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(_written("", item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
