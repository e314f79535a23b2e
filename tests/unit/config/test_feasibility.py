"""What a search is told before it begins; the table's costs are the published ones."""

import pytest
from fixtures import asked, composed

from nascli.config import feasibility, search
from nascli.config.overrides import rewritten
from nascli.core.fault import Fault
from nascli.core.goal import Constraint
from nascli.core.survey import survey

CHOSEN = ("strategy=random", "space=nasbench201", "estimator=table", "device=none")


def settled(*overrides, surveyed=lambda _table: None):
    config = composed(*CHOSEN, *rewritten(overrides))
    return config, search.build(asked(config), surveyed=surveyed)


def test_a_percentage_is_one_of_the_largest_network():
    # 1,531,546 parameters: all 3x3 convolutions (NAS-Bench-201)
    config, parts = settled("constraints.params=60%")
    assert config.constraints.params == pytest.approx(0.6 * 1_531_546)
    (constraint,) = parts.problem.goal.constraints
    assert constraint.maximum == config.constraints.params


def test_numbers_and_percentages_together():
    tables = []
    both = ("constraints.params=50%", "constraints.macs=50000000")
    _, parts = settled(*both, surveyed=tables.append)
    assert {c.metric for c in parts.problem.goal.constraints} == {"params", "macs"}
    (table,) = tables
    assert table.title == "what networks cost (all looked at)"
    assert table.note.endswith("of all keep the constraints")


def test_strategy_and_estimators_know_the_numbers():
    chosen = ("strategy=evolution", "estimator=train", "constraints.params=60%")
    config, parts = settled(*chosen)
    bounds = parts.problem.goal.constraints
    assert [bound.maximum for bound in bounds] == [config.constraints.params]
    assert parts.strategy._problem is parts.problem


def test_a_resumed_search_has_the_same_constraints_in_the_same_order():
    config, parts = settled("constraints.params=50%", "constraints.macs=50000000")
    again = search.build(asked(config), survey=False)
    assert again.problem.goal.constraints == parts.problem.goal.constraints


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        # 73,306 parameters: a cell without convolutions
        (
            ["constraints.params=1000"],
            "constraints.params is 1,000, but no network is below 73,306",
        ),
        (["constraints.params=1%"], "constraints.params is 15,315, but no network is below 73,306"),
        (["constraints.params=-5"], "constraints.params is -5; it must be a number above 0, or a"),
        (["constraints.params=60x"], "constraints.params is '60x'; it must be a number above 0"),
        (["constraints.latency_ms=5%"], "metric in constraints 'latency_ms' is not known"),
        (["constraints.accuracy=60%"], "cost in constraints 'accuracy' is not known; allowed:"),
    ],
)
def test_what_cannot_be_met_is_a_fault(overrides, says):
    with pytest.raises(Fault, match=says):
        settled(*overrides)


def test_constraints_that_exclude_each_other():
    _, parts = settled()
    space = parts.problem.space

    def costs(genotype):
        cheap = genotype.options.count("none")
        return {"params": 1.0 + cheap, "macs": 7.0 - cheap}

    found = survey(space, costs, 0, samples=48)
    both = [Constraint("params", 1.0), Constraint("macs", 1.0)]
    assert all(found.nearest([one])[0] == 0 for one in both)
    assert found.nearest(both)[0] > 0
    with pytest.raises(Fault, match="can be kept each alone but not all at once; nearest: params"):
        feasibility._check(found, both)
