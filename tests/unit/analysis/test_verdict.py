import math
import random

import pytest
from audits import NOISE, ORDER, ZIGZAG, trials, verdict

from nascli.analysis.significance import holm
from nascli.report import audit


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
    leads = {(one.estimate, one.baseline): one.interval.value for one in made.leads()}
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


def test_what_was_asked_for_is_what_the_headline_says():
    found = trials(ORDER, score=ZIGZAG, synflow=ZIGZAG, lucky=ORDER, params=NOISE)
    metrics = ("params", "score", "synflow", "lucky")
    made = verdict(found, metrics, objective=("score", "max"))
    assert made.asked == "score = synflow"
    report = audit.summary(made)
    tau = made.kendall["score = synflow"].value
    assert report["result"]["kendall_tau"] == tau < made.kendall["lucky"].value


def test_all_leads_that_are_shown_are_corrected_together():
    """Eight equal scores beside two costs are 16 leads; one of them looks good by chance."""
    rng, names = random.Random(0), [f"s{n}" for n in range(8)]
    drawn = {name: [rng.random() for _ in ORDER] for name in (*names, "params", "macs")}
    drawn["s3"] = [v + 12 * rng.random() for v in ORDER]
    made = verdict(
        trials(ORDER, **drawn), ("params", "macs", *names), ("params", "macs"), resamples=150
    )
    leads = made.leads()
    assert len(leads) == 16
    raw = [made.correlations.lead_p(one.estimate, one.baseline) for one in leads]
    assert [one.p for one in leads] == pytest.approx(holm(raw))
    alone = verdict(trials(ORDER, **drawn), ("params", "s3"), resamples=150).leads()
    assert alone[0].beats  # with its 2 / 151
    assert not any(one.beats for one in leads)  # which times 16 is above .05


def test_a_lead_s_p_counts_the_resamples_on_its_other_side():
    made = verdict(trials(ORDER, good=ORDER, params=NOISE), ("params", "good"), resamples=99)
    (one,) = made.leads()
    assert one.p == pytest.approx(2 / 100) and one.beats  # none is on the other side
    alike = verdict(trials(ORDER, same=NOISE[:], params=NOISE), ("params", "same"), resamples=99)
    assert alike.leads() == []  # one estimate
    twin = [2 * v for v in NOISE]
    (two,) = verdict(trials(ORDER, t=twin, params=NOISE), ("params", "t"), resamples=99).leads()
    assert two.p == 1.0 and not two.beats and not two.loses
