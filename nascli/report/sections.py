"""The parts of a page: cards, notes, tables, bars, drawings; all text from outside is escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from nascli.report import sketch
from nascli.report.chart import Bar, Bars
from nascli.report.units import readable, words

_THEMED = {
    sketch.INK: "ink", sketch.GREY: "grey", sketch.FAINT: "line", sketch.PALE: "pale",
    sketch.BLUE: "blue", sketch.ORANGE: "orange", sketch.GREEN: "green", "#FFFFFF": "paper",
    "#DDF2EA": "pale-green", "#FCF2DC": "pale-orange", "#DCEBF6": "pale-blue",
    "#4D4D4D": "ink", "#A3448B": "purple",
}  # fmt: skip
_PAINT = re.compile(r'(fill|stroke)="(#[0-9A-F]{6})"')
_BEFORE_A_UNIT = re.compile(r"(?<=\d) (?=\D)")


def cards(values: Mapping[str, Any]) -> str:
    """Large numbers with what they are."""
    shown = (
        f'<div class="card"><b>{escape(measured(name, value))}</b>'
        f"<span>{escape(words(name))}</span></div>"
        for name, value in values.items()
    )
    return f'<div class="cards">{"".join(shown)}</div>' if values else ""


def pairs(rows: Mapping[str, str]) -> str:
    """Names with what stands for them."""
    shown = (f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows.items())
    return f"<dl>{''.join(shown)}</dl>" if rows else ""


def notes(lines: Iterable[str]) -> str:
    """Sentences that must not be missed."""
    return "".join(f'<p class="note">{escape(line)}</p>' for line in lines)


def commands(lines: Sequence[tuple[str, str]]) -> str:
    """What each command is for, and the command."""
    return "".join(f"<p>{escape(why)}</p><pre>{escape(line)}</pre>" for why, line in lines)


def drawing(svg: str) -> str:
    """An SVG of ours in the colours of the page, light or dark."""
    return _PAINT.sub(lambda at: f'{at[1]}="var(--{_THEMED.get(at[2], "grey")})"', svg)


def drawings(named: Mapping[str, str], narrow: Mapping[str, str]) -> str:
    """Drawings below each other, each with its name; those that are `narrow` on a telephone."""
    return "".join(
        f'<figure class="drawing"><figcaption>{escape(words(name))}</figcaption>'
        f'<div class="broad">{drawing(svg)}</div>'
        f'<div class="narrow">{drawing(narrow.get(name, svg))}</div></figure>'
        for name, svg in named.items()
    )


def sheets(named: Mapping[str, Sequence[str]]) -> str:
    """Groups of pictures below each other, each with its name."""
    return "".join(
        f'<figure class="sheet"><figcaption>{escape(name)}</figcaption><div>'
        + "".join(f'<img alt="" src="{escape(address)}">' for address in addresses)
        + "</div></figure>"
        for name, addresses in named.items()
    )


def bars(figure: Bars) -> str:
    """A row for every value: its name, a bar or a dot with its interval, and the text."""
    low, high = figure.window

    def at(value: float) -> str:
        return f"{100 * (min(max(value, low), high) - low) / (high - low):.2f}%"

    rows = "".join(_bar(bar, at) for bar in figure.bars)
    return f'<div class="bars" role="img">{rows}</div><p class="axis">{escape(figure.x)}</p>'


def _bar(bar: Bar, at: Any) -> str:
    marks = f'<i class="zero" style="left:{at(0.0)}"></i>'
    if bar.interval is None and not bar.dots:
        left, right = sorted((0.0, bar.value))
        marks += f'<i class="bar" style="left:{at(left)};right:calc(100% - {at(right)})"></i>'
    else:
        if bar.interval is not None and all(map(math.isfinite, bar.interval)):
            left, right = bar.interval
            marks += f'<i class="span" style="left:{at(left)};right:calc(100% - {at(right)})"></i>'
        marks += "".join(f'<i class="small dot" style="left:{at(dot)}"></i>' for dot in bar.dots)
        marks += f'<i class="dot" style="left:{at(bar.value)}"></i>'
    return (
        f'<div class="row"><span class="name">{escape(bar.name)}</span>'
        f'<span class="track">{marks}</span><span class="value">{escape(bar.text)}</span></div>'
    )


def anything(value: Any, *, as_written: bool = False) -> tuple[str, int]:
    """A value of a report as it fits it, and how many rows it has."""
    if isinstance(value, Mapping) and not as_written and _alike(value):
        return grid([{"": name, **_flat(row)} for name, row in value.items()]), len(value)
    if isinstance(value, Mapping):
        flat = _flat(value)
        write = written if as_written else measured
        rows = "".join(
            f"<tr><th>{escape(name if as_written else words(name))}</th>"
            f"<td>{escape(write(name, item))}</td></tr>"
            for name, item in flat.items()
        )
        return (f'<table class="pairs">{rows}</table>' if rows else ""), len(flat)
    if isinstance(value, Sequence) and value and all(isinstance(row, Mapping) for row in value):
        return grid(value), len(value)
    if value is None or value == [] or value == "":
        return "", 0
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(f"<p>{escape(line)}</p>" for line in value), len(value)
    return f"<pre>{escape(str(value))}</pre>", str(value).count("\n") + 1


def by_class(test: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a retraining's `test` says of all images, and of each class: a row each."""
    shares, confusion = test.get("per_class") or {}, test.get("confusion") or []
    rows = []
    for number, (name, share) in enumerate(shares.items()):
        row = {"class": name, "accuracy": share}
        if number < len(confusion):
            images = list(confusion[number])
            wrong = [*images[:number], 0, *images[number + 1 :]]
            most = max(range(len(wrong)), key=wrong.__getitem__)
            other = f"{list(shares)[most]} ({wrong[most]:,})" if wrong[most] else ""
            row |= {"images": sum(images), "most_often_taken_for": other}
        rows.append(row)
    return {key: v for key, v in test.items() if key not in ("per_class", "confusion")}, rows


def _alike(value: Mapping[str, Any]) -> bool:
    """Whether it is a table: several mappings with the same keys."""
    rows = list(value.values())
    there = len(rows) > 1 and all(isinstance(row, Mapping) for row in rows)
    return there and len({frozenset(row) for row in rows}) == 1


def grid(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with a column for every key; it scrolls by itself where the page is too narrow."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    numeric = {
        name: all(isinstance(row.get(name), (int, float, type(None))) for row in rows)
        for name in names
    }
    kind = {name: ' class="number"' if numeric[name] else "" for name in names}
    head = "".join(f"<th{kind[name]}>{escape(words(name))}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind[name]}>{escape(measured(name, row.get(name)))}</td>" for name in names)
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


def measured(name: str, value: Any) -> str:
    """A measured value with its unit, which no line's end parts from it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(measured(name, item) for item in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return written(name, value)
    if isinstance(value, float) and not math.isfinite(value):
        return "–"
    return _BEFORE_A_UNIT.sub("\N{NO-BREAK SPACE}", readable(name.rpartition(".")[2], value))


def written(_name: str, value: Any) -> str:
    """A setting as it is written."""
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(written("", item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
