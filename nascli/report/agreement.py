"""Figures of an audit: every estimate against the reference, and all correlations side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nascli.analysis.correlation import Interval
from nascli.report import canvas
from nascli.report.units import label, unit, words

_MANY = 2000  # dots from which a picture is smaller than its lines
_SCALED = 1e4  # from which an axis is in thousands and millions


def audit(
    estimates: Mapping[str, Sequence[float]],
    reference: Sequence[float],
    kendall: Mapping[str, Interval],
) -> dict[str, str]:
    """Name -> SVG: `kendall_tau` of all estimates, and `accuracy_over_METRIC` of each.

    `estimates` and `reference` have one value a network; `kendall` is in the order to be shown.
    An estimate that is not finite, or is the same for all networks, is left out.
    """
    with canvas.styled():
        figures = {}
        shown = {name: tau for name, tau in kendall.items() if math.isfinite(tau.value)}
        if shown:
            figures["kendall_tau"] = _intervals(shown)
        for name in shown:
            pairs = zip(estimates[name], reference, strict=True)
            dots = [(x, y) for x, y in pairs if math.isfinite(x)]
            figures[f"accuracy_over_{_plain(name)}"] = _scatter(name, dots)
    return figures


def _intervals(kendall: Mapping[str, Interval]) -> str:
    """Dots with their 95 % intervals, the first on top."""
    figure, (axes,) = canvas.plots()
    places = range(len(kendall))
    for place, tau in zip(places, kendall.values(), strict=True):
        axes.plot((tau.low, tau.high), (place, place), "-", lw=2, color=canvas.BLUE)
        axes.plot(tau.value, place, "o", ms=7, mew=0, color=canvas.BLUE)
    axes.axvline(0, color=canvas.GREY, lw=1)
    axes.set_yticks(places, [words(name) for name in kendall])
    axes.set_ylim(len(kendall) - 0.5, -0.5)
    axes.set_xlabel("Kendall tau with the reference, and its 95 % interval")
    return canvas.svg(figure)


def _scatter(name: str, dots: Sequence[tuple[float, float]]) -> str:
    from matplotlib.ticker import EngFormatter

    figure, (axes,) = canvas.plots()
    (drawn,) = axes.plot(*zip(*dots, strict=True), "o", mew=0, alpha=0.5, color=canvas.BLUE)
    drawn.set(ms=5 if len(dots) < 500 else 3, rasterized=len(dots) > _MANY)
    axes.set_xlabel(label(name))
    axes.set_ylabel("accuracy of the reference (%)")
    if not unit(name) and max(abs(x) for x, _ in dots) > _SCALED:
        axes.xaxis.set_major_formatter(EngFormatter())
    return canvas.svg(figure)


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
