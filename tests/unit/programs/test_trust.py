"""How far an order is to be trusted: which networks are trained alone, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from fixtures import TINY, Heard, build, composed

from nascli.core.fault import Fault
from nascli.core.space import at
from nascli.core.trial import Trial
from nascli.programs import trust
from nascli.programs.trust import Trust
from nascli.runs.folder import Run

SPACE = ("space=nasbench201", "space.channels=4", "space.cells_per_stage=1", *TINY)


def trials(space, numbers):
    return [
        Trial(n, at(space, number), 1.0, {"accuracy": 50.0, "macs": float(number)})
        for n, number in enumerate(numbers)
    ]


def test_they_are_taken_evenly_over_the_order_of_their_costs():
    space = build.stated(composed(*SPACE)).space
    history = trials(space, [40, 10, 20, 10, 30, 0, 50, 60])
    failed = [Trial(9, at(space, 99), 1.0, {"macs": 99.0}, infeasible="macs 99 exceeds 60")]
    chosen = trust.spread([*history, *failed], 3)
    assert chosen == [at(space, number) for number in (0, 30, 60)]
    assert len(trust.spread(history, 20)) == 7  # one of them twice


class Scores:
    """Gives each genotype a number, and fails once it has been asked so often."""

    metrics = ("accuracy",)
    meaning = ""

    def __init__(self, values, most=99):
        self.values, self.most, self.asked = values, most, 0

    def estimate(self, proposal):
        if self.asked == self.most:
            raise KeyboardInterrupt
        self.asked += 1
        return {"accuracy": self.values[proposal.genotype]}


def test_the_order_is_judged_by_trainings_and_goes_on_where_it_stood(tmp_path):
    said = []
    problem = replace(build.stated(composed(*SPACE)), listener=Heard(warned=said.append))
    history = trials(problem.space, [0, 781, 3906, 9000, 15000])
    places = {trial.genotype: n for n, trial in enumerate(history)}
    scored = dict(zip(places, [1.0, 3.0, 2.0, 5.0, 4.0], strict=True))
    alone = dict(zip(places, [10.0, 20.0, 40.0, 30.0, 50.0], strict=True))
    first, second = Scores(alone, most=2), Scores(alone)
    run = Run(tmp_path)
    for reference in (first, second):
        try:
            found = trust.found(run, Trust(5, reference), problem, Scores(scored), history)
        except KeyboardInterrupt:
            continue
    assert (first.asked, second.asked) == (2, 3)
    pairs = list(combinations(places, 2))
    agree = sum((scored[a] - scored[b]) * (alone[a] - alone[b]) > 0 for a, b in pairs)
    assert found["networks"] == 5
    (row,) = [row for row in found["correlations"] if row["metric"] == "accuracy"]
    assert row["kendall_tau"] == pytest.approx((2 * agree - len(pairs)) / len(pairs))
    assert row["kendall_tau_low"] < row["kendall_tau"] <= row["kendall_tau_high"]
    assert {"params", "macs"} <= set(" = ".join(r["metric"] for r in found["correlations"]).split())
    assert found["description"].startswith("order of 5 networks that were trained alone, Kendall")
    assert f"accuracy {row['kendall_tau']:.2f} (" in found["description"]
    assert said[0].startswith("training 5 networks alone, to say how far the order is to be")


def test_networks_that_come_out_alike_have_no_order(tmp_path):
    problem = build.stated(composed(*SPACE))
    history = trials(problem.space, [0, 781, 3906])
    scored = {trial.genotype: float(n) for n, trial in enumerate(history)}
    reference = Scores(dict.fromkeys(scored, 25.0))
    found = trust.found(Run(tmp_path), Trust(3, reference), problem, Scores(scored), history)
    assert "trained alone: none, for they came out alike" in found["description"]


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (("strategy=random", "estimator=train"), "trust=6 asks how far an order by shared weights"),
        (("strategy=spos",), "trust is 2; it must be 0, or at least 3"),
    ],
)
def test_what_cannot_be_judged_is_refused(chosen, says):
    config = composed(*chosen, *SPACE)
    config.trust = 2 if "is 2" in says else 6
    with pytest.raises(Fault, match=says):
        build.search(config)
