"""What every kind of workers keeps to; the YAML folder says which there are."""

import pytest
from fixtures import composed, options

from nascli.commands import build
from nascli.core.genotype import Genotype
from nascli.core.trial import Proposal, Trial


def evaluate(number, proposal):
    return Trial(number, proposal.genotype, proposal.fidelity, {"accuracy": float(number)})


@pytest.mark.parametrize("name", options("workers"))
def test_every_proposal_comes_back_once(name):
    workers = build.component(composed(f"workers={name}"), "workers")(evaluate)
    genotype = Genotype.of("toy", {"a": "0"})
    waiting, done = list(range(5)), []
    assert workers.capacity >= 1
    while waiting or workers.busy:
        while waiting and workers.busy < workers.capacity:
            workers.submit(waiting.pop(0), Proposal(genotype))
        done += workers.wait()
    assert sorted(trial.number for trial in done) == list(range(5))
    assert all(trial.metrics == {"accuracy": float(trial.number)} for trial in done)
    workers.close()
    assert workers.busy == 0
