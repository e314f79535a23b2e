import json

import pytest

from nascli.analysis.verdict import Verdict
from nascli.core.genotype import Genotype
from nascli.core.goal import Objective
from nascli.core.trial import Trial
from nascli.report import audit


def trials(reference, **metrics):
    return [
        Trial(
            n,
            Genotype("toy", ("a",), (str(n),)),
            1.0,
            {
                **{name: values[n] for name, values in metrics.items() if values[n] is not None},
                "reference": value,
            },
        )
        for n, value in enumerate(reference)
    ]


def verdict(found, metrics, baselines=("params",), objective=("accuracy", "max")):
    return Verdict.of(
        found, metrics, baselines, objective=Objective(*objective), seed=0, resamples=60
    )


ORDER = [float(n) for n in range(30)]
ZIGZAG = [n + (6 if n % 2 else 0) for n in range(30)]
NOISE = [float((7 * n) % 30) for n in range(30)]


def test_it_warns_of_an_estimate_that_no_better_than_costs_explains():
    found = trials(ORDER, good=ORDER, bad=NOISE, params=ZIGZAG)
    made = verdict(found, ("params", "good", "bad"))
    beats = {row["metric"]: row["beats"] for row in audit.summary(made)["against_baselines"]}
    assert beats == {"good": True, "bad": False}
    warnings = [line for line in audit.lines(made) if line.startswith("warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: bad ranks worse than params: tau differs by -")


def test_equally_good_is_not_better():
    made = verdict(trials(ORDER, same=ZIGZAG[::-1], params=ZIGZAG), ("params", "same"))
    assert not audit.summary(made)["against_baselines"][0]["beats"]
    twin = [2 * v for v in ZIGZAG]
    lines = audit.lines(verdict(trials(ORDER, twin=twin, params=ZIGZAG), ("params", "twin")))
    assert "warning: twin is not shown to rank better than params: tau differs by +0.000" in (
        "\n".join(lines)
    )


def test_the_report_is_json_and_seconds_are_medians():
    seconds = [100.0, *[0.5] * 29]
    found = trials(
        ORDER, score=ZIGZAG, params=[5.0] * 30, estimator_seconds=seconds, costs_seconds=[0.1] * 30
    )
    made = verdict(found, ("params", "score"))
    report = json.loads(json.dumps(audit.summary(made), allow_nan=False))
    rows = {row["metric"]: row for row in report["correlations"]}
    assert rows["score"]["time_ms"] == 500 and rows["params"]["time_ms"] == pytest.approx(100)
    assert rows["params"]["kendall_tau"] is None and rows["params"]["baseline"] is True
    assert rows["score"]["networks"] == 30
    assert report["result"]["kendall_tau"] == rows["score"]["kendall_tau"]
    assert report["seconds_per_network"] == {"costs": 0.1, "estimator": 0.5, "reference": None}
