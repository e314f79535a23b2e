"""A figure as data: the page draws it with a script, canvas.py as SVG files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

Kind = Literal["dots", "line", "steps", "stairs"]
"""Dots alone; a line; steps that keep a value until the next point, or take it from the last."""

Scale = Literal["plain", "whole", "large", "log"]
"""Of the x axis: numbers as they are, counted things, thousands and millions, logarithmic."""

PALETTE = ("blue", "red", "green", "purple", "orange", "sky", "ink")
"""Names of colours, those first that differ most."""
DASHES = ("", "dashed", "dotted")


@dataclass(frozen=True)
class Series:
    """Points (x, y), those of a line in its order, and how they look.

    `band` are two more values of y for every point, below and above. `trials` are the numbers of
    the trials behind the points: a reader can ask for them.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    kind: Kind = "line"
    colour: str = PALETTE[0]
    dashes: str = ""
    marked: bool = False
    band: tuple[Sequence[float], Sequence[float]] | None = None
    trials: Sequence[int] = ()


@dataclass(frozen=True)
class Chart:
    """One plot: what stands beside its axes, its series, and the range of y (None: of all)."""

    x: str
    y: str
    series: Sequence[Series]
    scale: Scale = "plain"
    window: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """A named value: a bar from 0, or with `interval` a dot with its interval; small `dots`."""

    name: str
    value: float
    text: str
    interval: tuple[float, float] | None = None
    dots: Sequence[float] = ()


@dataclass(frozen=True)
class Bars:
    """Named values below each other, and what they are."""

    x: str
    bars: Sequence[Bar]

    @property
    def window(self) -> tuple[float, float]:
        """A range that holds 0 and all that is shown."""
        shown = [v for bar in self.bars for v in (bar.value, *bar.dots, *(bar.interval or ()))]
        finite = [value for value in shown if math.isfinite(value)]
        low, high = min(0.0, *finite), max(0.0, *finite)
        return (low, high) if high > low else (0.0, 1.0)


Figure = Sequence[Chart] | Bars
"""Plots side by side, or bars."""

Figures = Mapping[str, Figure]
"""Figures by their names, which are names of files too."""


def to_json(charts: Sequence[Chart]) -> list[dict[str, Any]]:
    """Plain data with rounded numbers; what is no number is None."""
    return [_plain(chart) for chart in charts]


def _plain(value: Any) -> Any:
    if isinstance(value, (Chart, Series)):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None


def plain_name(name: str) -> str:
    """The name of a figure as a name of a file."""
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
