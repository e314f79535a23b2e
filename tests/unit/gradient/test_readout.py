from __future__ import annotations

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.genotype import Genotype
from nascli.core.goal import Constraint, Goal
from nascli.gradient.readout import collapse, entropy, in_words, over, readout
from nascli.relaxations.sigmoid import Sigmoid
from nascli.relaxations.softmax import Softmax


@pytest.fixture(scope="module")
def space():
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    return make(ToyTask(input_shape=(3, 8, 8)), channels=2, cells_per_stage=1)


@pytest.fixture(scope="module")
def supernet(space):
    return space.supernet()


def genotype(space, skips, others="nor_conv_1x1"):
    names = tuple(space.decisions)
    options = ["skip_connect"] * skips + [others] * (len(names) - skips)
    return Genotype(space.name, names, tuple(options))


def test_skip_connections_are_counted(space, supernet):
    relaxation = Softmax(supernet, 0)
    for count in (0, 2, 6):
        assert readout(supernet, relaxation, genotype(space, count))["skips_cell"] == count


def test_a_cell_mostly_of_skip_connections_is_a_collapse(space, supernet):
    for count in (0, 3):
        assert collapse(supernet, genotype(space, count)) is None
    says = collapse(supernet, genotype(space, 4))
    assert "4 of the 6 operations of cell 'cell' are skip connections" in says
    assert "what helps: strategy=drnas" in says
    says = collapse(supernet, genotype(space, 1, others="none"))
    assert "1 of the 1 operations" in says


def test_entropy_runs_from_undecided_to_one_option(supernet):
    relaxation = Softmax(supernet, 0, scale=0.0)
    assert entropy(relaxation) == pytest.approx(1.0)
    (alpha,) = relaxation.parameters()
    with torch.no_grad():
        alpha[:, 0] = 50.0
    assert entropy(relaxation) == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        alpha.copy_(torch.tensor([0.5, 0.5, 1e-30, 1e-30, 1e-30]).log())
    assert entropy(relaxation) == pytest.approx(
        float(torch.tensor(2.0).log() / torch.tensor(5.0).log())
    )
    relaxation.keep([[0, 1]] * 5 + [[0]])  # the last edge is settled and does not count
    assert entropy(relaxation) == pytest.approx(1.0)


def test_entropy_of_sigmoids_is_that_of_their_shares(supernet):
    relaxation = Sigmoid(supernet, 0, scale=0.0)
    assert entropy(relaxation) == pytest.approx(1.0)


def test_a_readout_in_a_few_words():
    found = {"skips_normal": 3.0, "skips_reduction": 0.0, "entropy": 0.98765}
    assert in_words(found, Goal()) == "skips: 3 in normal, 0 in reduction, entropy 0.988"
    found["eigenvalue"] = 0.01234
    assert in_words(found, Goal()).endswith("entropy 0.988, eigenvalue 0.0123")
    goal = Goal(constraints=(Constraint("macs", 5e6), Constraint("peak_memory_mb", 1.0)))
    told = {**found, "expected_macs": 6_123_456.0, "preferred_macs": 4.9e6}
    words = "eigenvalue 0.0123, macs expected 6.123e+06, preferred 4.9e+06 of 5e+06"
    assert in_words(told, goal).endswith(words)
    del found["entropy"]  # a sampler has none
    assert in_words(found, Goal()) == "skips: 3 in normal, 0 in reduction, eigenvalue 0.0123"


def test_without_a_relaxation_only_skip_connections_are_read(space, supernet):
    assert readout(supernet, None, genotype(space, 2)) == {"skips_cell": 2.0}


def test_what_is_preferred_beyond_a_bound_is_said():
    goal = Goal(constraints=(Constraint("macs", 5e6), Constraint("latency_ms", 2.0)))
    found = {"preferred_macs": 5.2e6, "preferred_latency_ms": 2.4, "expected_macs": 9e6}
    (said,) = over(found, goal)
    assert "prefer has latency_ms 2.4, and the bound is 2; genotypes were cut to fit it" in said
    assert over({"entropy": 1.0}, goal) == []
