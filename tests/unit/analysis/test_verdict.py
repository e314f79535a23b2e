import json
import math

import pytest

from nascli.analysis.verdict import Verdict
from nascli.core.genotype import Genotype
from nascli.core.goal import Objective
from nascli.core.trial import Trial


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


def test_the_strongest_comes_first_whatever_its_sign():
    falling = [-v for v in ORDER]
    found = trials(ORDER, accuracy=NOISE, params=falling, macs=ZIGZAG)
    made = verdict(found, ("params", "macs", "accuracy"), ("params", "macs"))
    assert list(made.estimates) == ["params", "macs", "accuracy"]
    assert made.kendall["params"].value == pytest.approx(-1)  # costs are reported as they are


def test_a_metric_that_is_better_when_smaller_is_turned_round():
    found = trials(ORDER, loss=[-v for v in ORDER], params=NOISE)
    made = verdict(found, ("params", "loss"), objective=("loss", "min"))
    assert made.kendall["loss"].value == pytest.approx(1)


def test_a_network_without_an_estimate_ranks_last():
    failing = [None, math.nan, *ORDER[2:]]
    made = verdict(trials(ORDER, score=failing, params=NOISE), ("params", "score"))
    assert list(made.estimates["score"])[:3] == [-math.inf, -math.inf, 2.0]
    assert made.failed == 2
    # all pairs agree but the one of the two failures, which is tied in one ranking
    pairs = 30 * 29 / 2
    assert made.kendall["score"].value == pytest.approx(
        (pairs - 1) / math.sqrt((pairs - 1) * pairs)
    )


def test_metrics_that_are_the_same_share_a_row():
    made = verdict(trials(ORDER, score=ZIGZAG, synflow=ZIGZAG), ("score", "synflow"), ())
    assert list(made.estimates) == ["score = synflow"]


def test_it_warns_of_an_estimate_that_no_better_than_costs_explains():
    found = trials(ORDER, good=ORDER, bad=NOISE, params=ZIGZAG)
    made = verdict(found, ("params", "good", "bad"))
    beats = {row["metric"]: row["beats"] for row in made.report()["against_baselines"]}
    assert beats == {"good": True, "bad": False}
    warnings = [line for line in made.lines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: bad ranks worse than params: tau differs by -")


def test_equally_good_is_not_better():
    made = verdict(trials(ORDER, same=ZIGZAG[::-1], params=ZIGZAG), ("params", "same"))
    assert not made.report()["against_baselines"][0]["beats"]
    twin = [2 * v for v in ZIGZAG]
    lines = verdict(trials(ORDER, twin=twin, params=ZIGZAG), ("params", "twin")).lines()
    assert "warning: twin is not shown to rank better than params: tau differs by +0.000" in (
        "\n".join(lines)
    )


def test_the_report_is_json_and_seconds_are_medians():
    seconds = [100.0, *[0.5] * 29]
    found = trials(
        ORDER, score=ZIGZAG, params=[5.0] * 30, estimator_seconds=seconds, costs_seconds=[0.1] * 30
    )
    made = verdict(found, ("params", "score"))
    report = json.loads(json.dumps(made.report(), allow_nan=False))
    rows = {row["metric"]: row for row in report["correlations"]}
    assert rows["score"]["time_ms"] == 500 and rows["params"]["time_ms"] == pytest.approx(100)
    assert rows["params"]["kendall_tau"] is None and rows["params"]["baseline"] is True
    assert rows["score"]["networks"] == 30
    assert report["result"]["kendall_tau"] == rows["score"]["kendall_tau"]
    assert report["seconds_per_network"] == {"costs": 0.1, "estimator": 0.5, "reference": None}
