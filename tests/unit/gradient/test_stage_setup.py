"""What a stage cannot begin with: what the space or its supernet does not offer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fixtures import ToySpace, ToyTask, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.gradient.stage_setup import check_growth, grown, relaxation_of, set_partial_channels


class OneDepth(ToySpace):
    """Its supernet is nothing, at one depth only."""

    def supernet(self):
        return SimpleNamespace()


PROBLEM = SimpleNamespace(space=OneDepth())


def test_stages_of_several_depths_need_a_space_that_deepens():
    with pytest.raises(Fault, match=r"that of space 'toy' has only one: leave out depth"):
        check_growth(PROBLEM)
    with pytest.raises(Fault, match=r"space 'toy' has no supernet with 2.0 times its depth"):
        grown(PROBLEM, 2.0)
    assert grown(PROBLEM, 1.0) == SimpleNamespace()
    make = instantiate(composed("space=cell").space, _partial_=True)
    problem = SimpleNamespace(space=make(ToyTask(), channels=2, cells=3, nodes=1))
    check_growth(problem)
    assert len(grown(problem, 2.0).blocks) == 6


def test_partial_channels_need_a_supernet_that_has_them():
    with pytest.raises(Fault) as fault:
        set_partial_channels(PROBLEM, SimpleNamespace(), 2)
    assert str(fault.value) == (
        "strategy.partial_channels is 2, and options of space 'toy' always work on all channels: "
        "leave it out"
    )


def test_sizes_do_not_mix():
    make = instantiate(composed("space=once_for_all_small").space, _partial_=True)
    space = make(ToyTask(), resolutions=[8], widths=[8, 8, 8])
    problem, method = SimpleNamespace(space=space), SimpleNamespace(relaxation=lambda *_: None)
    with pytest.raises(Fault) as fault:
        relaxation_of(problem, method, space.supernet(), SimpleNamespace(number=0))
    assert str(fault.value) == (
        "the strategy mixes options, and those of space 'once_for_all_small' are sizes, which do "
        "not mix: take estimator=one_shot, whose samplers draw one network at a time, with a "
        "strategy such as evolution"
    )
