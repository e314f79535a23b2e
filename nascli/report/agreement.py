"""Figures of an audit: every estimate against the reference, and all correlations side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nascli.analysis.correlation import Interval
from nascli.report.chart import Bar, Bars, Chart, Figure, Figures, Series, plain_name
from nascli.report.units import label, unit, words

_SCALED = 1e4  # from which an axis is in thousands and millions


def audit(
    estimates: Mapping[str, Sequence[float]],
    reference: Sequence[float],
    kendall: Mapping[str, Interval],
) -> Figures:
    """`kendall_tau` of all estimates, and `accuracy_over_METRIC` of each.

    `estimates` and `reference` have one value a network; `kendall` is in the order to be shown.
    An estimate that is not finite, or is the same for all networks, is left out.
    """
    drawn: dict[str, Figure] = {}
    shown = {name: tau for name, tau in kendall.items() if math.isfinite(tau.value)}
    if shown:
        title = "Kendall tau with the reference, and its 95 % interval"
        bars = [
            Bar(words(name), tau.value, f"{tau.value:.3f}", (tau.low, tau.high))
            for name, tau in shown.items()
        ]
        drawn["kendall_tau"] = Bars(title, bars)
    for name in shown:
        pairs = sorted(zip(estimates[name], reference, strict=True))
        x, y = zip(*(pair for pair in pairs if math.isfinite(pair[0])), strict=True)
        large = not unit(name) and max(map(abs, x)) > _SCALED
        dots = Series("", x, y, "dots")
        chart = Chart(
            label(name), "accuracy of the reference (%)", [dots], "large" if large else "plain"
        )
        drawn[f"accuracy_over_{plain_name(name)}"] = [chart]
    return drawn
