"""What an audit says: how well each estimate ranks networks, and whether it beats their costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nascli.analysis.correlation import Correlations, Interval
from nascli.core.goal import Objective
from nascli.core.trial import Trial
from nascli.report.units import duration

_MS = 1e3


@dataclass(frozen=True)
class Verdict:
    """The correlations of an audit; the estimates are in the order of their |Kendall tau|.

    `estimates` holds one value a network, larger being better. Costs are taken as they are. A
    network that the estimator failed on ranks last, as it would in a search, and `failed` counts
    them. Metrics that are the same for all networks share one estimate ("score = synflow").
    """

    estimates: Mapping[str, Sequence[float]]
    reference: Sequence[float]
    baselines: tuple[str, ...]
    correlations: Correlations
    seconds: Mapping[str, float]
    failed: int

    @classmethod
    def of(
        cls,
        trials: Sequence[Trial],
        metrics: Sequence[str],
        baselines: Sequence[str],
        *,
        objective: Objective,
        seed: int,
        resamples: int,
    ) -> Verdict:
        """From trials that all have a finite metric `reference`.

        `objective` says which metric is better when it is smaller. `seconds` are medians over the
        metrics `costs_seconds`, `estimator_seconds` and `reference_seconds`.
        """
        falling = objective.metric if objective.direction == "min" else None
        columns = {m: [_value(t, m, -1 if m == falling else 1) for t in trials] for m in metrics}
        estimates = _merged(columns)
        reference = [trial.metrics["reference"] for trial in trials]
        found = Correlations(estimates, reference, seed=seed, resamples=resamples)
        order = sorted(estimates, key=lambda name: -_strength(found.kendall(name)))
        return cls(
            {name: estimates[name] for name in order},
            reference,
            tuple(baselines),
            found,
            {name: _median(trials, f"{name}_seconds") for name in _PARTS},
            sum(-math.inf in values for values in zip(*columns.values(), strict=True)),
        )

    @property
    def kendall(self) -> dict[str, Interval]:
        """Kendall's tau-b of every estimate, the strongest first."""
        return {name: self.correlations.kendall(name) for name in self.estimates}

    def leads(self) -> list[tuple[str, str, Interval]]:
        """For every estimate that is no cost, and params and macs: by how much its tau is larger.

        The baseline counts in the better of its two directions.
        """
        ours = [name for name in self.estimates if name not in self.baselines]
        theirs = [name for name in ("params", "macs") if name in self.estimates]
        return [(o, b, self.correlations.lead(o, b)) for o in ours for b in theirs]

    def report(self) -> dict[str, Any]:
        """What report.json says of it.

        - `result`: `kendall_tau` and `spearman` of the strongest estimate that is no cost
        - `correlations`: per estimate `metric`, `baseline` (whether it is a cost), `kendall_tau`
          and `spearman` with `_low` and `_high` of the 95 % interval, `networks`, and `time_ms` a
          network (median)
        - `against_baselines`: per estimate and baseline the difference of tau, its interval, and
          whether it `beats` it
        - `seconds_per_network`: medians

        What is not defined is None.
        """
        best = next((name for name in self.estimates if name not in self.baselines), None)
        return {
            "description": "\n".join(self.lines()),
            "result": {
                "kendall_tau": _plain(self.correlations.kendall(best).value),
                "spearman": _plain(self.correlations.spearman(best).value),
            }
            if best
            else {},
            "correlations": [self._row(name) for name in self.estimates],
            "against_baselines": [
                {"metric": name, "baseline": baseline, **_spread("difference", lead)}
                | {"beats": lead.low > 0}
                for name, baseline, lead in self.leads()
            ],
            "seconds_per_network": {k: _plain(v) for k, v in self.seconds.items()},
        }

    def _row(self, name: str) -> dict[str, Any]:
        return {
            "metric": name,
            "baseline": name in self.baselines,
            **_spread("kendall_tau", self.correlations.kendall(name)),
            **_spread("spearman", self.correlations.spearman(name)),
            "networks": len(self.reference),
            "time_ms": _plain(_MS * self._seconds(name)),
        }

    def _seconds(self, name: str) -> float:
        part = "costs" if name in self.baselines else "estimator"
        known = self.seconds[part]
        return known if math.isfinite(known) else self.seconds["estimator"]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows for the terminal."""
        header = ["", "Kendall tau (95 %)", "Spearman (95 %)", "time each"]
        rows = []
        for name in self.estimates:
            found = self.correlations.kendall(name), self.correlations.spearman(name)
            label = f"{name} (cost)" if name in self.baselines else name
            shown = [f"{one.value:.3f} {_range(one)}" for one in found]
            rows.append([label, *shown, _time(self._seconds(name))])
        return header, rows

    def lines(self) -> list[str]:
        """What a person should know besides the table."""
        took = self.seconds["reference"]
        lines = [f"the reference took {_time(took)} a network"] if math.isfinite(took) else []
        if self.failed:
            lines.append(f"networks without an estimate, which rank last: {self.failed}")
        for name, tau in self.kendall.items():
            if not math.isfinite(tau.value):
                lines.append(f"warning: {name} has no rank correlation: one of the two is constant")
        for name, baseline, lead in self.leads():
            if math.isfinite(lead.value) and not lead.low > 0:
                says = "ranks worse than" if lead.high < 0 else "is not shown to rank better than"
                differs = f"tau differs by {lead.value:+.3f} {_range(lead)}"
                lines.append(f"warning: {name} {says} {baseline}: {differs}")
        return lines


_PARTS = ("costs", "estimator", "reference")


def _value(trial: Trial, metric: str, sign: int) -> float:
    value = sign * trial.metrics.get(metric, math.nan)
    return value if math.isfinite(value) else -math.inf


def _merged(columns: Mapping[str, list[float]]) -> dict[str, Sequence[float]]:
    """One entry for metrics that agree on every network."""
    names: dict[tuple[float, ...], list[str]] = {}
    for name, values in columns.items():
        names.setdefault(tuple(values), []).append(name)
    return {" = ".join(same): values for values, same in names.items()}


def _strength(tau: Interval) -> float:
    return abs(tau.value) if math.isfinite(tau.value) else -1.0


def _median(trials: Sequence[Trial], metric: str) -> float:
    known = [trial.metrics[metric] for trial in trials if metric in trial.metrics]
    return float(np.median(known)) if known else math.nan


def _spread(name: str, found: Interval) -> dict[str, float | None]:
    return {
        name: _plain(found.value),
        f"{name}_low": _plain(found.low),
        f"{name}_high": _plain(found.high),
    }


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def _range(found: Interval) -> str:
    return f"({found.low:.3f} .. {found.high:.3f})"


def _time(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else f"{_MS * seconds:.3g} ms"
