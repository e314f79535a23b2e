"""Strict fairness: what a step trains, counted."""

from __future__ import annotations

from collections import Counter

import pytest
from elastic import chain
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.samplers.fair import Fair


def built(space):
    return space, space.supernet()


def test_every_option_of_every_choice_is_taken_once_a_step():
    space, supernet = built(chain())
    fair = Fair(supernet, 0)
    for _ in range(5):
        paths = fair.paths(0.5)
        assert len(paths) == 3
        for decision, options in space.decisions.items():
            assert sorted(path[decision] for path in paths) == sorted(options)


def test_none_is_an_option_like_any_other():
    made = instantiate(composed("space=nasbench201").space, _partial_=True)
    space, supernet = built(made(ToyTask(input_shape=(3, 8, 8)), channels=2))
    paths = Fair(supernet, 0).paths(0.0)
    for decision, options in space.decisions.items():
        assert sorted(path[decision] for path in paths) == sorted(options)


def test_orders_at_two_choices_are_independent_of_each_other():
    space, supernet = built(chain())
    fair, pairs = Fair(supernet, 0), Counter()
    first, second, _ = space.decisions
    for _ in range(900):
        path = fair.paths(0.0)[0]
        pairs[path[first], path[second]] += 1
    # 9 pairs, each with a chance of 1/9: 100 +- 9.4, five deviations
    assert len(pairs) == 9
    assert all(abs(count - 100) < 47 for count in pairs.values())


def test_a_choice_with_fewer_options_repeats_them_evenly():
    layers = [
        {"name": "wide", "options": ["identity", "mbconv_3x3_e3", "mbconv_5x5_e3"], "channels": 4},
        {"name": "narrow", "options": ["identity", "mbconv_3x3_e3"], "channels": 4},
    ]
    made = instantiate(composed("space=chain").space, _partial_=True)
    _, supernet = built(made(ToyTask(input_shape=(3, 8, 8)), layers=layers, options=[]))
    fair, twice = Fair(supernet, 0), Counter()
    for _ in range(400):
        paths = fair.paths(0.0)
        assert len({path["wide"] for path in paths}) == 3
        counts = Counter(path["narrow"] for path in paths)
        assert sorted(counts.values()) == [1, 2]
        twice[counts.most_common(1)[0][0]] += 1
    assert abs(twice["identity"] - 200) < 50  # five deviations


def test_where_genotypes_leave_choices_out_it_is_refused():
    made = instantiate(composed("space=cell").space, _partial_=True)
    _, supernet = built(made(ToyTask(input_shape=(3, 8, 8)), channels=2, cells=3, nodes=2))
    with pytest.raises(Fault, match="genotypes of space 'cell' leave choices out; take uniform or"):
        Fair(supernet, 0)
