"""Shrinking: what every stage of the training draws."""

from __future__ import annotations

import pytest
from elastic import chain, elastic

from nascli.core.fault import Fault
from nascli.core.supernet import Elastic, Staged
from nascli.samplers.shrinking import Shrinking


def test_the_largest_alone_then_what_each_stage_lets_in():
    _, supernet = elastic()
    assert isinstance(supernet, Elastic)
    shrinking = Shrinking(supernet, 0, largest=0.5, random=4)
    assert isinstance(shrinking, Staged)
    seen = {0.49: set(), 0.5: set(), 0.74: set(), 0.76: set(), 1.0: set()}
    for progress, options in seen.items():
        for _ in range(30):
            paths = shrinking.paths(progress)
            if progress < 0.5:
                assert list(paths) == [supernet.largest()]
            else:
                assert len(paths) == 4
            options.update(option for path in paths for option in path.options)
    two, three = {"mbconv_5x5_e6_relu", "mbconv_3x3_e3_relu"}, set(supernet.choices[0].options)
    assert list(seen.values()) == [{"mbconv_5x5_e6_relu"}, two, two, three, three]
    names = [shrinking.stage(progress) for progress in seen]
    assert [stage and stage.name for stage in names] == [
        None, "2 options", "2 options", "3 options", "3 options",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"largest": 1.0}, "sampler.largest is 1.0; it must be above 0 and below 1"),
        ({"random": 0}, "sampler.random is 0; it must be at least 1"),
    ],
)
def test_values_that_make_no_sense_are_named(values, says):
    with pytest.raises(Fault, match=says):
        Shrinking(elastic()[1], 0, **values)


def test_it_needs_elastic_sizes():
    with pytest.raises(Fault, match="such as that of space=once_for_all; take uniform, fair or"):
        Shrinking(chain().supernet(), 0)
