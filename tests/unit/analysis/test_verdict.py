import math

import pytest
from audits import NOISE, ORDER, ZIGZAG, trials, verdict


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


def test_every_estimate_is_set_against_params_and_macs_in_their_better_direction():
    found = trials(ORDER, score=ORDER, params=[-v for v in ORDER], macs=NOISE)
    made = verdict(found, ("params", "macs", "score"), ("params", "macs"))
    leads = {(name, baseline): lead.value for name, baseline, lead in made.leads()}
    assert leads.keys() == {("score", "params"), ("score", "macs")}
    assert leads["score", "params"] == pytest.approx(0)  # tau 1 against |tau| 1
    assert leads["score", "macs"] == pytest.approx(1 - abs(made.kendall["macs"].value))


def test_costs_without_a_time_of_their_own_took_the_estimators():
    seconds = {"estimator_seconds": [0.5] * 30}
    made = verdict(trials(ORDER, score=ZIGZAG, params=NOISE, **seconds), ("params", "score"))
    assert made.median_seconds("params") == made.median_seconds("score") == 0.5
    own = verdict(
        trials(ORDER, score=ZIGZAG, params=NOISE, costs_seconds=[0.1] * 30, **seconds),
        ("params", "score"),
    )
    assert (own.median_seconds("params"), own.median_seconds("score")) == (0.1, 0.5)
