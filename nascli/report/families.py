"""Families of networks side by side: what they cost, and how accurate the trained ones are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli.report.chart import PALETTE, Chart, Figures, Series
from nascli.report.units import label, readable, words

_Family = Mapping[str, Mapping[str, Any]]
_SHOWN = ("accuracy", "params", "latency_ms", "peak_memory_mb")  # over multiply-adds


def figures(families: Mapping[str, _Family]) -> Figures:
    """Of several families (name -> member -> row): a plot a metric, over multiply-adds.

    A row has the scale of a member, its `costs`, and `accuracy` where it has been trained. Nothing
    of one family alone.
    """
    if len(families) < 2:
        return {}
    drawn = {}
    for metric in _SHOWN:
        lines = []
        for number, (family, rows) in enumerate(families.items()):
            known = [{**row["costs"], **row} for row in rows.values()]
            known = [row for row in known if metric in row]
            x, y = [row["macs"] for row in known], [row[metric] for row in known]
            if known:
                lines.append(Series(family, x, y, "line", PALETTE[number], marked=True))
        if lines:
            drawn[f"{metric}_over_macs"] = [Chart(label("macs"), label(metric), lines, "log")]
    return drawn


def table(rows: _Family) -> tuple[Sequence[str], list[list[str]]]:
    """Heading and lines of a family's members, for a terminal."""
    first = next(iter(rows.values()))
    costs = [metric for metric in first["costs"] if metric not in ("params", "flops")]
    trained = [m for m in ("accuracy",) if any(m in row for row in rows.values())]
    head = ("", "width", "depth", "pixels", *map(words, trained), "parameters", *map(words, costs))
    lines = [
        [
            name,
            f"{row['width']:.4g}",
            f"{row['depth']:.4g}",
            str(row["resolution"]),
            *(readable(m, row[m]) if m in row else "" for m in trained),
            f"{row['costs']['params']:,.0f}",
            *(readable(metric, row["costs"][metric]) for metric in costs),
        ]
        for name, row in rows.items()
    ]
    return head, lines


def candidates(rows: Sequence[Mapping[str, Any]]) -> tuple[Sequence[str], list[list[str]]]:
    """Heading and lines of the candidates of a grid, the most accurate first."""
    head = ("", "pixels", "accuracy", "parameters", words("macs"))
    told = sorted(rows, key=lambda row: -row.get("accuracy", -1.0))
    lines = [
        [
            row["candidate"],
            str(row["resolution"]),
            readable("accuracy", row["accuracy"]) if "accuracy" in row else row.get("error", ""),
            *(readable(m, row[m]) if m in row else "" for m in ("params", "macs")),
        ]
        for row in told
        if "same_network_as" not in row
    ]
    return head, lines
