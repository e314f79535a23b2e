"""The figure of a profile: predicted latencies against measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascli.report.chart import Chart, Figures, Series

_USES = (("fit", "fitted to", "orange"), ("check", "not seen before", "blue"))


def prediction(rows: Sequence[Mapping[str, Any]]) -> Figures:
    """Each row's `predicted_ms` over its `measured_ms`, with 10 % to either side of equal."""
    if not rows:
        return {}
    ends = [f(row["measured_ms"] for row in rows) for f in (min, max)]
    band = ([0.9 * x for x in ends], [1.1 * x for x in ends])
    series = [Series("equal, and 10 % off", ends, ends, "line", "ink", "dashed", band=band)]
    for use, words, colour in _USES:
        dots = sorted((r["measured_ms"], r["predicted_ms"]) for r in rows if r["use"] == use)
        if dots:
            x, y = zip(*dots, strict=True)
            series.append(Series(f"{words} ({len(dots)})", x, y, "dots", colour))
    return {"predicted_over_measured": [Chart("measured (ms)", "predicted (ms)", series)]}
