"""What a search is told before it begins; the table's costs are the published ones."""

import random
import re
import subprocess
import sys

import pytest
from fixtures import CHECKOUT, Heard, asked, build, composed

from nascli.config import feasibility, search
from nascli.config.overrides import rewritten
from nascli.core.fault import Fault
from nascli.core.goal import Constraint
from nascli.core.space import sample
from nascli.core.survey import survey
from nascli.costs.count import count
from nascli.costs.plans import PlanCounter

CELL = ("strategy=random", "space=cell", "estimator=train", "device=none", "data=synthetic")
CELL += ("training.network.cell.channels=4", "training.network.cell.cells=2")
CHOSEN = ("strategy=random", "space=nasbench201", "estimator=table", "device=none")


def settled(*overrides, chosen=CHOSEN, surveyed=lambda _table: None):
    config = composed(*chosen, *rewritten(overrides))
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
    of = "cifar10 (3x32x32, 10 classes, channels 16, cells per stage 5)"
    assert table.title == f"what networks for {of} cost; all looked at"
    keep, said = table.note.splitlines()
    assert keep.endswith("of all keep the constraints")
    assert said == "constraints.params=50% is 765,773, a share of 1.53 M: the largest there is"


def warned_of(*constraints):
    """What a microcontroller's search is warned of; the cells have four channels."""
    said = []
    chosen = ("strategy=random", "space=nasbench201", "estimator=train", "device=mcu")
    chosen += ("data=synthetic", "data.size=8", "training.network.nasbench201.channels=4")
    search.build(asked(composed(*chosen, *rewritten(constraints))), Heard(warned=said.append))
    return said


def test_networks_that_ignore_their_images_are_no_sign_that_a_bound_can_be_kept():
    """Without a convolution outside of it, stem and classifier alone take these bytes."""
    (said,) = warned_of("constraints.flash_kib=0.3")
    assert re.match(
        r"warning: (\d+) of the \1 random networks that keep the constraints ignore", said
    )
    assert "no path of operations leads to their output" in said
    assert warned_of("constraints.flash_kib=8") == warned_of() == []


@pytest.mark.parametrize("metric", ["params", "macs", "peak_memory_mb"])
def test_what_a_percentage_comes_to_does_not_depend_on_the_seed(metric):
    found, tables = set(), []
    sizes = ("data=synthetic", "data.size=12", "space.nodes=3", "space.cells=3", "space.channels=3")
    for seed in range(4):
        chosen = (*CELL[:2], *sizes, "device=none", f"seed={seed}")
        config, _ = settled(f"constraints.{metric}=100%", chosen=chosen, surveyed=tables.append)
        found.add(config.constraints[metric])
    assert len(found) == 1
    assert len({str((table.rows, table.note)) for table in tables}) == 1
    said = tables[0].note.splitlines()[-1]
    assert said.startswith(f"constraints.{metric}=100% is ")
    ends = ["the largest there is", "networks looked at, the same ones for every seed"]
    assert said.endswith(ends[metric == "peak_memory_mb"])


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
        (
            ["constraints.latency_ms=5%"],
            "latency_ms, and .* are not built here: take device=nasbench201_devices",
        ),
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


def least_and_largest(problem, metric):
    """By closed form: every edge takes the smallest or the largest layer of the plan's choices."""
    counter, plan = PlanCounter(problem.space), problem.space.plan()
    ends = []
    for best in (min, max):
        total = sum(getattr(counter.layer(layer), metric) for layer in plan.layers())
        for place in plan.places:
            if place.kind == "add":
                choices = [p for p in plan.places if p.name in place.inputs]
                values = sorted(
                    best(getattr(counter.layer(n), metric) for n in p.options if n is not None)
                    for p in choices
                )
                total += sum(values[:2] if best is min else values[-2:])
        ends.append(total)
    return ends


@pytest.mark.parametrize("metric", ["params", "macs"])
def test_costs_that_add_up_are_certain_without_training(metric):
    # Two cells: both of them reduction cells, but of different channels and sizes.
    tables = []
    bound = f"constraints.{metric}=60%"
    config, parts = settled(bound, chosen=CELL, surveyed=tables.append)
    least, largest = least_and_largest(parts.problem, metric)
    assert config.constraints[metric] == pytest.approx(0.6 * largest)
    assert tables[0].title.endswith("(2 x MACs) are certain")
    settled(f"constraints.{metric}={least}", chosen=CELL)
    with pytest.raises(Fault, match=r"but no network is below .* \(this is certain\); raise"):
        settled(f"constraints.{metric}={least - 1}", chosen=CELL)


class Own:
    """Trains nothing here, and counts parameters in a way of its own."""

    metrics = ("accuracy", "params")
    meaning = ""

    def __init__(self, problem):
        pass

    def estimate(self, proposal):
        return {"accuracy": 1.0, "params": 1.0}


def test_a_bound_on_what_an_estimator_counts_itself_is_not_refused():
    config = composed(*CELL, *rewritten(["constraints.params=10"]))
    config.estimator = {"_target_": f"{__name__}.Own"}
    assert search.build(asked(config)).problem.goal.constraints[0].maximum == 10
    with pytest.raises(Fault, match="this is certain"):
        settled("constraints.params=10", chosen=CELL)


def test_peak_memory_is_not_certain():
    with pytest.raises(
        Fault,
        match=r"none of those looked at is below .* \([0-9]+ were looked at, not all\); raise",
    ):
        settled("constraints.peak_memory_mb=0.001", chosen=CELL)


def test_an_impossible_constraint_is_known_before_torch_is():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from fixtures import ToyTask, composed\n"
        "from hydra.utils import get_class\n"
        "from omegaconf import OmegaConf\n"
        "from nascli.config.feasibility import with_numbers\n"
        "from nascli.core.fault import Fault\n"
        "from nascli.core.goal import Constraint, Goal\n"
        "from nascli.core.problem import Problem\n"
        "from nascli.estimators.costs import Costs\n"
        "config = composed('strategy=random', 'space=cell', 'training.network.cell.cells=8',\n"
        "                  '++constraints.params=1000')\n"
        "space = OmegaConf.to_container(config.space)\n"
        "operations = space['operations']\n"
        "space = get_class(space['_target_'])(ToyTask('toy', (3, 32, 32), 10), operations)\n"
        "goal = Goal(constraints=(Constraint('params', 1000.0),))\n"
        "problem = Problem(space, space.task, None, goal)\n"
        "try:\n"
        "    with_numbers(config, problem, (Costs(problem), Costs(problem)), lambda _table: None)\n"
        "except Fault as fault:\n"
        "    print(fault)\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == 0
    # C=16, 8 cells: least_and_largest above gives the same
    assert "constraints.params is 1,000, but no network is below 100,730 (this is" in done.stdout


def test_a_latency_that_is_out_of_reach_costs_one_measurement(monkeypatch):
    from nascli.core.device import Latency
    from nascli.devices.cpu import Cpu

    measured = []

    def latencies(_self, cases):
        measured.extend(network for network, _ in cases)
        return [Latency(5.0, 5.0, 5.0, 9) for _ in cases]

    monkeypatch.setattr(Cpu, "latencies", latencies)
    chosen = (*CELL[:3], *CELL[4:], "device=cpu")
    with pytest.raises(
        Fault, match=r"latency_ms is 1 ms, but the network .* takes 5 ms \(measured"
    ):
        settled("constraints.latency_ms=1", chosen=chosen)
    assert len(measured) == 1
    space = build.stated(composed(*CELL)).space
    counter, rng = PlanCounter(space), random.Random(0)
    macs = [counter(sample(space, rng)).macs for _ in range(50)]
    assert count(measured[0], space.task.input_shape).macs <= min(macs)
