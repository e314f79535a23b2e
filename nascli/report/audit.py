"""An audit as text: the table in a terminal, what a person should know besides, and report.json."""

from __future__ import annotations

import math
from typing import Any

from nascli.analysis.correlation import Interval
from nascli.analysis.significance import LEVEL
from nascli.analysis.verdict import Verdict
from nascli.report.units import duration

_MS = 1e3


def summary(verdict: Verdict) -> dict[str, Any]:
    """What report.json says of an audit.

    - `description`: as `lines`
    - `result`: `kendall_tau` and `spearman` of the estimate that was asked for
    - `correlations`: per estimate `metric`, `baseline` (whether it is a cost), `kendall_tau`
      and `spearman` with `_low` and `_high` of the 95 % interval, `networks`, and `time_ms` a
      network (median)
    - `against_baselines`: per estimate and baseline the difference of tau, its interval, its
      Holm-corrected `p`, and whether it `beats` it
    - `seconds_per_network`: medians

    What is not defined is None.
    """
    found = verdict.correlations
    asked = verdict.asked
    return {
        "description": "\n".join(lines(verdict)),
        "result": {
            "kendall_tau": _plain(found.kendall(asked).value),
            "spearman": _plain(found.spearman(asked).value),
        }
        if asked
        else {},
        "correlations": [_row(verdict, name) for name in verdict.estimates],
        "against_baselines": [
            {"metric": one.estimate, "baseline": one.baseline}
            | _spread("difference", one.interval)
            | {"p": _plain(one.p), "beats": one.beats}
            for one in verdict.leads()
        ],
        "seconds_per_network": {k: _plain(v) for k, v in verdict.seconds.items()},
    }


def _row(verdict: Verdict, name: str) -> dict[str, Any]:
    return {
        "metric": name,
        "baseline": name in verdict.baselines,
        **_spread("kendall_tau", verdict.correlations.kendall(name)),
        **_spread("spearman", verdict.correlations.spearman(name)),
        "networks": len(verdict.reference),
        "time_ms": _plain(_MS * verdict.median_seconds(name)),
    }


def table(verdict: Verdict) -> tuple[list[str], list[list[str]]]:
    """Header and rows for the terminal."""
    header = ["", "Kendall tau (95 %)", "Spearman (95 %)", "each"]
    rows = []
    for name in verdict.estimates:
        found = verdict.correlations.kendall(name), verdict.correlations.spearman(name)
        label = f"{name} (cost)" if name in verdict.baselines else name
        shown = [_shown(one) for one in found]
        rows.append([label, *shown, _time(verdict.median_seconds(name))])
    return header, rows


def order(verdict: Verdict) -> str:
    """How far each estimate orders the networks as the reference does, in a line."""
    taus = [f"{name} {_shown(tau)}" for name, tau in verdict.kendall.items()]
    what = f"order of {len(verdict.reference)} networks that were trained alone"
    if not any(math.isfinite(tau.value) for tau in verdict.kendall.values()):
        return f"{what}: none, for they came out alike; train more of them, or for longer"
    return f"{what}, Kendall's tau (95 %): {', '.join(taus)}"


def lines(verdict: Verdict) -> list[str]:
    """What a person should know besides the table."""
    took = verdict.seconds["reference"]
    said = [f"the reference took {_time(took)} a network"] if math.isfinite(took) else []
    if verdict.failed:
        said.append(f"networks without an estimate, which rank last: {verdict.failed}")
    for name, tau in verdict.kendall.items():
        if not math.isfinite(tau.value):
            said.append(f"warning: {name} has no rank correlation: one of the two is constant")
    leads = verdict.leads()
    least = 2 / (1 + verdict.correlations.resamples)
    if leads and len(leads) * least > LEVEL:
        enough = math.ceil(2 * len(leads) / LEVEL) - 1
        said.append(
            f"{verdict.correlations.resamples} resamples reach p = {least:.2g} at the least, times "
            f"{len(leads)} at worst by Holm: it takes resamples={enough} to show a lead at "
            f"{LEVEL:g}"
        )
    for one in leads:
        if math.isfinite(one.interval.value) and not one.beats:
            says = "ranks worse than" if one.loses else "is not shown to rank better than"
            differs = f"tau differs by {one.interval.value:+.3f} {_range(one.interval)}"
            said.append(f"warning: {one.estimate} {says} {one.baseline}: {differs}")
    return said


def _spread(name: str, found: Interval) -> dict[str, float | None]:
    return {
        name: _plain(found.value),
        f"{name}_low": _plain(found.low),
        f"{name}_high": _plain(found.high),
    }


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def _shown(found: Interval) -> str:
    """Short, for a table of several has to fit a terminal."""
    if not math.isfinite(found.value):
        return "none"
    if not math.isfinite(found.low):
        return f"{found.value:.2f} {_range(found)}"
    return f"{found.value:.2f} ({found.low:.2f}..{found.high:.2f})"


def _range(found: Interval) -> str:
    """In brackets; too few networks, or resamples in which all are equal, have none."""
    if not math.isfinite(found.low):
        return "(no interval)"
    return f"({found.low:.3f} .. {found.high:.3f})"


def _time(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown"
    return duration(seconds) if seconds >= 1 else f"{_MS * seconds:.3g} ms"
