"""What an audit finds: how well each estimate ranks networks, and whether it beats their costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nascli.analysis.correlation import Correlations, Interval
from nascli.analysis.significance import holm, significant
from nascli.core.goal import Objective
from nascli.core.trial import Trial


@dataclass(frozen=True)
class Lead:
    """By how much an estimate ranks better than a cost; `p` is corrected, NaN where unknown."""

    estimate: str
    baseline: str
    interval: Interval
    p: float

    @property
    def beats(self) -> bool:
        """Whether it is shown to rank better."""
        return self.interval.low > 0 and significant(self.p)

    @property
    def loses(self) -> bool:
        """Whether it is shown to rank worse."""
        return self.interval.high < 0 and significant(self.p)


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
    asked: str | None
    """The estimate that the estimator is asked for, by the name that it has among them."""

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
            next((name for name in estimates if objective.metric in name.split(_SAME)), None),
        )

    @property
    def kendall(self) -> dict[str, Interval]:
        """Kendall's tau-b of every estimate, the strongest first."""
        return {name: self.correlations.kendall(name) for name in self.estimates}

    def leads(self) -> list[Lead]:
        """For every estimate that is no cost, and params and macs: by how much its tau is larger.

        The baseline counts in the better of its two directions. The unit is the network, and Holm
        corrects for all of them, since they are shown together.
        """
        ours = [name for name in self.estimates if name not in self.baselines]
        theirs = [name for name in ("params", "macs") if name in self.estimates]
        pairs = [(o, b) for o in ours for b in theirs]
        found = [self.correlations.lead(o, b) for o, b in pairs]
        values = [self.correlations.lead_p(o, b) for o, b in pairs]
        corrected = iter(holm([p for p in values if math.isfinite(p)]))
        each = [next(corrected) if math.isfinite(p) else math.nan for p in values]
        return [Lead(*pair, one, p) for pair, one, p in zip(pairs, found, each, strict=True)]

    def median_seconds(self, name: str) -> float:
        """What an estimate took a network; NaN if it is not known."""
        part = "costs" if name in self.baselines else "estimator"
        known = self.seconds[part]
        return known if math.isfinite(known) else self.seconds["estimator"]


_SAME = " = "
_PARTS = ("costs", "estimator", "reference")


def _value(trial: Trial, metric: str, sign: int) -> float:
    value = sign * trial.metrics.get(metric, math.nan)
    return value if math.isfinite(value) else -math.inf


def _merged(columns: Mapping[str, list[float]]) -> dict[str, Sequence[float]]:
    """One entry for metrics that agree on every network."""
    names: dict[tuple[float, ...], list[str]] = {}
    for name, values in columns.items():
        names.setdefault(tuple(values), []).append(name)
    return {_SAME.join(same): values for values, same in names.items()}


def _strength(tau: Interval) -> float:
    return abs(tau.value) if math.isfinite(tau.value) else -1.0


def _median(trials: Sequence[Trial], metric: str) -> float:
    known = [trial.metrics[metric] for trial in trials if metric in trial.metrics]
    return float(np.median(known)) if known else math.nan
