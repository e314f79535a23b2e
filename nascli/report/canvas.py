"""Figures as SVG files: one look for all, and matplotlib imported only when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nascli.report.chart import Bars, Chart, Figure, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

# Okabe and Ito, Color Universal Design, 2008: told apart with every kind of colour vision.
_COLOURS = {
    "blue": "#0072B2", "red": "#D55E00", "green": "#009E73", "orange": "#E69F00",
    "purple": "#CC79A7", "sky": "#56B4E9", "ink": "#222222", "grey": "#767676",
}  # fmt: skip
_DASHES: dict[str, Any] = {"": "-", "dashed": (0, (5, 2)), "dotted": (0, (1, 1.5))}
_DRAWN = {"line": "default", "steps": "steps-post", "stairs": "steps-pre"}
_MANY = 2000  # dots from which a picture is smaller than its lines
_NARROW = 30  # times the least value, within which a logarithmic axis has marks between its powers
_LARGE = 1e5  # from which its marks are in thousands and millions
_BESIDE = 4  # series from which the legend stands beside the plots

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable, and set in the reader's font
    "svg.hashsalt": "nascli",  # the same figure gives the same file
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": 10,
    "text.color": _COLOURS["ink"],
    "text.parse_math": False,  # a dollar in a user's name is a dollar
    "axes.labelcolor": _COLOURS["ink"],
    "axes.edgecolor": _COLOURS["grey"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.6,
    "xtick.color": _COLOURS["grey"],
    "ytick.color": _COLOURS["grey"],
    "xtick.labelcolor": _COLOURS["ink"],
    "ytick.labelcolor": _COLOURS["ink"],
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def svg(figure: Figure) -> str:
    """The figure as an `<svg>` element, 7.5 inches wide; the same every time it is drawn."""
    import matplotlib
    from matplotlib.figure import Figure as Sheet

    with matplotlib.rc_context(_STYLE):
        sheet = Sheet(figsize=(7.5, 3.4), layout="constrained")
        if isinstance(figure, Bars):
            _bars(sheet.subplots(), figure)
        else:
            plots = list(sheet.subplots(1, len(figure), squeeze=False)[0])
            for axes, chart in zip(plots, figure, strict=True):
                _chart(axes, chart)
            _legends(sheet, plots, figure)
        text = io.StringIO()
        sheet.savefig(text, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def _chart(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import (
        EngFormatter,
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
    )  # fmt: skip

    for series in chart.series:
        _series(axes, series)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    if chart.window is not None:
        low, high = chart.window
        room = 0.05 * (high - low) or 0.01 * (abs(high) or 1.0)
        axes.set_ylim(low - room, high + room)
    if chart.scale == "whole":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif chart.scale == "large":
        axes.xaxis.set_major_formatter(EngFormatter())
    elif chart.scale == "log":
        axes.set_xscale("log")
        shown = [value for series in chart.series for value in series.x if value > 0] or [1.0]
        narrow = max(shown) < _NARROW * min(shown)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if narrow else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())  # its own are formulas
        prefixed = EngFormatter()
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda v, _place: f"{v:g}" if v < _LARGE else prefixed(v))
        )


def _series(axes: Axes, series: Series) -> None:
    colour = _COLOURS[series.colour]
    few = len(series.x) < 500
    if series.kind == "dots":
        style: dict[str, Any] = {"ls": "", "marker": "o", "mew": 0, "alpha": 0.5}
        style |= {"ms": 5 if few else 3, "rasterized": len(series.x) > _MANY}
    else:
        style = {"ls": _DASHES[series.dashes], "drawstyle": _DRAWN[series.kind], "lw": 2}
        style |= {"marker": "o", "ms": 4.5 if few else 3, "mew": 0} if series.marked else {}
    axes.plot(series.x, series.y, color=colour, label=series.name, **style)
    if series.band is not None:
        step: Any = "post" if series.kind == "steps" else None
        axes.fill_between(series.x, *series.band, color=colour, step=step, alpha=0.18, lw=0)


def _legends(sheet: Sheet, plots: Sequence[Axes], charts: Sequence[Chart]) -> None:
    """Where they hide nothing: above each plot, or beside all for many series or with a note."""
    note = charts[0].note
    if note or max(len(chart.series) for chart in charts) > _BESIDE:
        handles, names = plots[0].get_legend_handles_labels()
        style: dict[str, Any] = {"title_fontsize": 9, "alignment": "left"}
        sheet.legend(handles, names, loc="outside right upper", title=note or None, **style)
        return
    for axes, chart in zip(plots, charts, strict=True):
        if len(chart.series) > 1 or chart.series[0].name not in (chart.y, ""):
            columns = 2 if len(plots) < 3 else 1
            place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
            axes.legend(**place, ncols=columns, borderaxespad=0.2)


def _bars(axes: Axes, figure: Bars) -> None:
    """Below each other, the first on top."""
    blue = _COLOURS["blue"]
    places = range(len(figure.bars))
    for place, bar in zip(places, figure.bars, strict=True):
        if bar.interval is None and not bar.dots:
            axes.barh(place, bar.value, color=blue)
            continue
        if bar.interval is not None:
            axes.plot(bar.interval, (place, place), "-", lw=2, color=blue)
        axes.plot(bar.dots, [place] * len(bar.dots), "o", ms=4, mew=0, alpha=0.5, color=blue)
        axes.plot(bar.value, place, "o", ms=7, mew=0, color=blue)
    axes.axvline(0, color=_COLOURS["grey"], lw=1)
    axes.set_yticks(places, [bar.name for bar in figure.bars])
    axes.set_ylim(len(figure.bars) - 0.5, -0.5)
    axes.set_xlabel(figure.x)
