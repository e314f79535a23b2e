"""The costs of a proposal: by building the network, and from its plan where the space gives one."""

import dataclasses
import random
import subprocess
import sys
import warnings

import pytest
import torch
from fixtures import CHECKOUT, Heard, ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.device import Latency
from nascli.core.space import sample
from nascli.core.trial import Proposal
from nascli.costs.count import count
from nascli.estimators.costs import Costs


class Unusual(nn.Module):
    def forward(self, images):
        return torch.linalg.matrix_exp(images)


class Space:
    """One decision: how many channels."""

    name = "channels"
    decisions = {"channels": ("2", "4")}  # noqa: RUF012

    def network(self, genotype):
        channels = int(genotype["channels"])
        return nn.Sequential(nn.Conv2d(1, channels, 1), nn.Flatten(), nn.Linear(64 * channels, 3))


class Stopwatch:
    """A device that knows its answer, and looks at what it gets."""

    name = "stopwatch"

    def latency(self, network, input_shape):
        assert not network.training
        assert all(p.device.type == "cpu" for p in network.parameters())
        return Latency(7.0, 6.0, 9.0, 3)

    def latencies(self, cases):
        return [self.latency(*case) for case in cases]


@pytest.fixture
def proposal(problem):
    return Proposal(sample(Space(), random.Random(0)))


def test_costs_of_a_proposal(problem, proposal):
    # The convolution has c weights and c biases, the classifier 3 * 64 c weights and 3 biases.
    c = int(proposal.genotype["channels"])
    costs = Costs(dataclasses.replace(problem, space=Space(), device=Stopwatch()))
    values = costs.estimate(proposal)
    assert set(values) == set(costs.metrics)
    assert values["params"] == 2 * c + 3 * 64 * c + 3
    assert values["macs"] == 2 * 64 * c + 3 * 64 * c + 3
    assert values["flops"] == 2 * values["macs"]
    assert values["latency_ms"] == 7.0
    assert costs.traits.repeatable


def test_without_a_device_no_latency(problem, proposal):
    costs = Costs(dataclasses.replace(problem, space=Space(), device=None))
    assert "latency_ms" not in costs.metrics
    assert set(costs.estimate(proposal)) == set(costs.metrics)


def test_a_latency_that_other_work_has_spoilt_is_told_of_once(problem, proposal):
    class Busy(Stopwatch):
        def latency(self, network, input_shape):
            return Latency(3.7, 3.5, 37.0, 50, {}, 3.6)

    said = []
    made = dataclasses.replace(
        problem, space=Space(), device=Busy(), listener=Heard(warned=said.append)
    )
    costs = Costs(made)
    assert costs.estimate(proposal)["latency_ms"] == 3.6
    costs.estimate(proposal)
    assert len(said) == 1 and "the latency of this network is uncertain" in said[0]


def test_costs_leave_the_random_state_alone(problem, proposal):
    costs = Costs(dataclasses.replace(problem, space=Space(), device=Stopwatch()))
    before = torch.get_rng_state()
    costs.estimate(proposal)
    assert torch.equal(torch.get_rng_state(), before)


def test_costs_warn_of_what_they_did_not_count(problem, proposal):
    class Odd(Space):
        def network(self, genotype):
            return Unusual()

    costs = Costs(dataclasses.replace(problem, space=Odd(), device=None))
    with pytest.warns(UserWarning, match=r"do not include aten\.linalg_matrix_exp"):
        costs.estimate(proposal)


@pytest.fixture
def planned(problem):
    make = instantiate(composed("space=cell").space, _partial_=True)
    space = make(ToyTask("toy", (1, 9, 8), 10), channels=4, cells=2, nodes=2)
    return dataclasses.replace(problem, space=space, task=space.task, device=None)


def test_costs_from_plans_are_those_of_the_built_network(planned):
    costs, rng = Costs(planned), random.Random(0)
    for genotype in [sample(planned.space, rng) for _ in range(5)]:
        expected = count(planned.space.network(genotype), (1, 9, 8))
        assert costs.estimate(Proposal(genotype)) == {
            "params": expected.params,
            "macs": expected.macs,
            "flops": 2 * expected.macs,
            "peak_memory_mb": expected.peak_memory_mb,
        }


def test_a_planned_network_is_built_only_to_be_timed(planned, monkeypatch):
    built = []
    network = planned.space.network
    monkeypatch.setattr(planned.space, "network", lambda g: built.append(g) or network(g))
    genotype = sample(planned.space, random.Random(0))
    Costs(planned).estimate(Proposal(genotype))
    assert built == []
    timed = Costs(dataclasses.replace(planned, device=Stopwatch()))
    before = torch.get_rng_state()
    assert timed.estimate(Proposal(genotype))["latency_ms"] == 7.0
    assert built == [genotype]
    assert torch.equal(torch.get_rng_state(), before)
    assert Costs(planned).cheap and not timed.cheap


def test_without_plans_nothing_is_cheap_or_proved(problem):
    costs = Costs(dataclasses.replace(problem, space=Space(), device=None))
    assert not costs.cheap
    assert costs.extremes() == {}


def test_the_extremes_of_plans_are_proved(planned):
    """No random genotype of the space costs less than the least or more than the largest."""
    costs, rng = Costs(planned), random.Random(1)
    found = costs.extremes()
    assert {"params", "macs"} <= {*found}
    for genotype in [sample(planned.space, rng) for _ in range(20)]:
        here = costs.estimate(Proposal(genotype))
        for metric, ends in found.items():
            least, most = (costs.estimate(Proposal(end))[metric] for end in ends)
            assert least <= here[metric] <= most


class Odd(nn.Module):
    def __init__(self, *_):
        super().__init__()

    def forward(self, images):
        return images + torch.linalg.matrix_exp(images)


def test_planned_costs_warn_of_what_they_did_not_count(problem):
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    task = ToyTask("toy", (1, 8, 8), 10)
    space = make(task, channels=2, cells_per_stage=1, operations={"odd": Odd, "none": Odd})
    costs = Costs(dataclasses.replace(problem, space=space, task=task, device=None))
    genotype = sample(space, random.Random(0))
    odd = dataclasses.replace(genotype, options=("odd",) * 6)
    with pytest.warns(UserWarning, match=r"do not include aten\.linalg_matrix_exp"):
        costs.estimate(Proposal(odd))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        costs.estimate(Proposal(dataclasses.replace(genotype, options=("none",) * 6)))


def test_the_estimator_needs_no_torch():
    code = "import sys, nascli.estimators.costs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT).returncode == 0
