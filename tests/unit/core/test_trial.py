from dataclasses import fields, replace

from nascli.core.genotype import Genotype
from nascli.core.known import again
from nascli.core.trial import Proposal, Trial

GENOTYPE, OTHER = (Genotype.of("toy", {"edge": option}) for option in ("none", "skip_connect"))
FULL = Trial(3, GENOTYPE, 0.5, {"accuracy": 91.0}, 2.5, "params is 3", "it failed", 4)


def test_a_trial_that_is_told_of_is_itself_but_for_the_proposals_by_then():
    assert not any(getattr(FULL, f.name) == f.default for f in fields(Trial))  # none is spared
    assert FULL.told(7) == replace(FULL, asked=7)


def test_what_is_known_is_taken_over_but_for_its_time_and_turn():
    proposal = Proposal(OTHER, 0.5, {"entropy": 1.0})
    metrics = {"accuracy": 91.0, "entropy": 1.0}
    alike = replace(FULL, number=8, genotype=OTHER, metrics=metrics, seconds=0.0, asked=0)
    assert again(FULL, 8, proposal) == alike
    same = again(FULL, 8, Proposal(Genotype.of("toy", {"edge": "none"}), 0.5))
    assert same.genotype is FULL.genotype and same.metrics is FULL.metrics  # for they take room
