"""The weights that strategy and estimators share."""

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.relaxations.softmax import Softmax
from nascli.supernet.shared import Shared

STEM = "stem.steps.0.weight"


def problem(seed=0):
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    task = ToyTask(input_shape=(3, 8, 8))
    space = make(task, channels=2, cells_per_stage=1)
    return Problem(space=space, task=task, recipe=None, seed=seed)


def test_the_supernet_is_built_once_and_its_weights_follow_from_the_seed():
    before = torch.get_rng_state()
    shared, other = Shared(problem()), Shared(problem(seed=1))
    assert shared.supernet is shared.supernet
    first, again = (s.supernet.state_dict()[STEM] for s in (shared, Shared(problem())))
    assert torch.equal(first, again)
    assert not torch.equal(first, other.supernet.state_dict()[STEM])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_space_without_a_supernet_is_a_fault(toy):
    with pytest.raises(Fault, match="space 'toy' has no supernet"):
        _ = Shared(Problem(space=toy, task=ToyTask(), recipe=None)).supernet


def test_its_state_is_that_of_what_is_there():
    shared = Shared(problem())
    assert set(shared.state_dict()) == {"supernet"}
    shared.relaxation = Softmax(shared.supernet, 0)
    assert set(shared.state_dict()) == {"supernet", "relaxation"}
    other = Shared(problem(seed=1))
    other.relaxation = Softmax(other.supernet, 1)
    other.load_state_dict({**shared.state_dict(), "epoch": 3})
    assert torch.equal(other.relaxation.expected().weights, shared.relaxation.expected().weights)
