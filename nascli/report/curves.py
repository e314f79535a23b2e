"""Curves over epochs: of a training, and what a gradient search reads of its supernet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nascli.core.trial import History
from nascli.report.chart import PALETTE, Chart, Figures, Series
from nascli.report.units import label, words

_Series = Mapping[str, Sequence[tuple[float, float]]]
_Rows = Sequence[Mapping[str, float]]
_COLOURS = {"train": "blue", "valid": "red", "test": "green", "accuracy": "blue", "path": "red"}
_SKIPS = "skip connections"


def training(epochs: _Rows) -> Figures:
    """Accuracies and losses against epochs, as far as `epochs` has them.

    Every epoch is a mapping of `epoch` and metrics whose names end in `accuracy` or `loss`.
    """
    kinds = {kind: _series(epochs, kind) for kind in ("accuracy", "loss")}
    return _drawn("training", {label(kind): series for kind, series in kinds.items()})


def readout(history: History) -> Figures:
    """What a gradient search read of each epoch (see `nascli.gradient.readout`).

    The accuracy of the supernet and that of the derived path, the skip connections of each kind of
    cell, the entropy of the architecture weights, and the eigenvalue where it was asked for.
    Nothing for other searches.
    """
    good = [trial for trial in history if trial.error is None and "entropy" in trial.metrics]
    if not good:
        return {}
    rows = [{"epoch": trial.number + 1, **trial.metrics} for trial in good]
    skips = {name[6:]: row for name, row in _series(rows, "", "skips_").items()}
    shown = {
        label("accuracy"): _series(rows, "accuracy"),
        _SKIPS: skips,
        "entropy": _series(rows, "entropy"),
        "eigenvalue": _series(rows, "eigenvalue"),
    }
    return _drawn("readout", shown)


def _series(epochs: _Rows, end: str, start: str = "") -> dict[str, list[tuple[float, float]]]:
    """Metric -> (epoch, value) for every metric with this end and start that is there."""
    series: dict[str, list[tuple[float, float]]] = {}
    for number, epoch in enumerate(epochs, 1):
        for name, value in epoch.items():
            fits = name.startswith(start) and name.endswith(end)
            if fits and value is not None and math.isfinite(value):
                series.setdefault(name, []).append((epoch.get("epoch", number), value))
    return series


def _drawn(name: str, shown: Mapping[str, _Series]) -> Figures:
    """One plot for every label of a y axis with something to show; nothing if there is none."""
    plots = []
    for axis, series in shown.items():
        lines = [_line(metric, points, n) for n, (metric, points) in enumerate(series.items())]
        highest = max((y for line in lines for y in line.y), default=0.0)
        window = {"entropy": (0.0, 1.0), _SKIPS: (0.0, max(1.0, highest))}.get(axis)
        if lines:
            plots.append(Chart("epoch", axis, lines, "whole", window))
    return {name: plots} if plots else {}


def _line(metric: str, points: Sequence[tuple[float, float]], number: int) -> Series:
    first = metric.partition("_")[0]
    colour = _COLOURS.get(first, PALETTE[number % len(PALETTE)])
    x, y = zip(*points, strict=True)
    dashes = "dashed" if first == "train" else ""
    return Series(words(metric), x, y, "line", colour, dashes, marked=len(points) < 12)
