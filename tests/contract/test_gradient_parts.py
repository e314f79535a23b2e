"""What every part of a gradient search keeps to; the YAML folders say which there are."""

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, composed, options

from nascli.core import space as moves

GROUPS = {
    "penalty": "+penalty@strategy.penalties.mine={}",
    "perturbation": "perturbation@strategy.perturbation={}",
    "stopper": "stopper@strategy.stopper={}",
    "discretisation": "discretisation@strategy.discretisation={}",
}
PARTS = [words.format(name) for group, words in GROUPS.items() for name in options(group)]


def search(part):
    words = ["strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]]
    config = composed(*words, "training.epochs=2", "data.images=96", part)
    return build.search(config)


@pytest.mark.parametrize("part", PARTS)
def test_a_search_with_it_proposes_and_goes_on_from_its_state(part, tmp_path):
    made = search(part)
    (first,) = made.strategy.ask(1)
    assert moves.check(made.problem.space, first.genotype) == first.genotype
    assert first.metrics and all(isinstance(value, float) for value in first.metrics.values())
    torch.save(made.strategy.state_dict(), tmp_path / "state.pt")
    second = made.strategy.ask(1)
    again = search(part).strategy
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.ask(1) == second
