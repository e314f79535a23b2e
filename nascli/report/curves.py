"""Figures of what goes by epochs: a training, and how near a gradient search is to a collapse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nascli.core.trial import History
from nascli.report import canvas
from nascli.report.units import label, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Series = Mapping[str, Sequence[tuple[float, float]]]
_Rows = Sequence[Mapping[str, float]]
_COLOURS = {
    "train": canvas.BLUE, "valid": canvas.RED, "test": canvas.GREEN,
    "accuracy": canvas.BLUE, "path": canvas.RED,
}  # fmt: skip
_SKIPS = "skip connections"
_RANGES = {_SKIPS: (0, None), "entropy": (0, 1.05)}


def training(epochs: _Rows) -> dict[str, str]:
    """Name -> SVG: accuracies and losses against epochs, as far as `epochs` has them.

    Every epoch is a mapping of `epoch` and metrics whose names end in `accuracy` or `loss`.
    """
    kinds = {kind: _series(epochs, kind) for kind in ("accuracy", "loss")}
    return _drawn("training", {label(kind): series for kind, series in kinds.items()})


def readout(history: History) -> dict[str, str]:
    """Name -> SVG: what a gradient search read of each epoch (see `nascli.gradient.readout`).

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


def _drawn(name: str, shown: Mapping[str, _Series]) -> dict[str, str]:
    """One plot for every label of a y axis with something to show; nothing if there is none."""
    there = {axis: series for axis, series in shown.items() if series}
    if not there:
        return {}
    with canvas.styled():
        figure, plots = canvas.plots(len(there))
        for axes, (axis, series) in zip(plots, there.items(), strict=True):
            for metric, points in series.items():
                _curve(axes, metric, points)
            axes.set_xlabel("epoch")
            axes.set_ylabel(axis)
            canvas.whole_numbers(axes.xaxis)
            if axis == _SKIPS:
                canvas.whole_numbers(axes.yaxis)
            if axis in _RANGES:
                axes.set_ylim(*_RANGES[axis])
            if len(series) > 1 or words(metric) != axis:
                canvas.legend(axes, columns=2 if len(there) < 3 else 1)
        return {name: canvas.svg(figure)}


def _curve(axes: Axes, name: str, points: Sequence[tuple[float, float]]) -> None:
    first = name.partition("_")[0]
    dashes = "--" if first == "train" else "-"
    marked = dashes + ("o" if len(points) < 12 else "")
    colour = _COLOURS.get(first)
    axes.plot(*zip(*points, strict=True), marked, ms=4, color=colour, lw=1.8, label=words(name))
