from __future__ import annotations

import pytest
import torch

from nascli.core.choice import Edge
from nascli.core.fault import Fault
from nascli.gradient.stages import schedule, strongest


def test_a_search_without_stages_is_one():
    (stage,) = schedule([], 7, {"warmup": 0.25, "partial_channels": 4})
    assert (stage.begin, stage.end, stage.span, stage.supernet) == (0, 7, (0, 7), 0)
    assert (stage.warmup, stage.partial_channels, stage.options) == (0.25, 4, None)


def test_epochs_are_divided_by_share():
    stages = schedule([{"share": 1}, {"share": 2}, {}], 8, {})
    assert [(s.begin, s.end) for s in stages] == [(0, 2), (2, 6), (6, 8)]


def test_a_new_depth_is_a_new_supernet_with_a_span_of_its_own():
    given = [{"depth": 1.0}, {}, {"depth": 2.0}, {"depth": 2.0, "options": 3}]
    stages = schedule(given, 8, {"partial_channels": 2})
    assert [s.supernet for s in stages] == [0, 0, 2, 2]
    assert [s.span for s in stages] == [(0, 4), (0, 4), (4, 8), (4, 8)]
    assert [s.partial_channels for s in stages] == [2] * 4


def test_architecture_weights_rest_for_a_share_of_each_stage():
    first, second = schedule([{}, {"warmup": 0.0}], 8, {"warmup": 0.5})
    assert [first.learns(epoch) for epoch in (0, 1.9, 2, 3.9)] == [False, False, True, True]
    assert second.learns(4)


def test_skip_dropout_falls_to_nothing_within_the_stage():
    without, stage = schedule([{}, {"skip_dropout": 0.4}], 8, {})
    assert [without.dropout(epoch) for epoch in (0, 2, 4)] == [0.0, 0.0, 0.0]
    assert [stage.dropout(epoch) for epoch in (4, 6, 8)] == pytest.approx([0.4, 0.2, 0.0])


@pytest.mark.parametrize(
    ("stages", "epochs", "says"),
    [
        ([{}, {}, {}], 2, r"strategy.stages are 3, too many for 2 epochs: .* at least 3"),
        ([{"share": 9}, {}], 4, r"too many for 4 epoch.* at least 5|at least 6"),
        ([{"opions": 3}], 4, r"key of strategy.stages\[0\] 'opions' .* did you mean 'options'"),
        ([{}, {"options": 0}], 4, r"stages\[1\].options is 0; it must be a whole number of at"),
        ([{"depth": 0}], 4, r"stages\[0\].depth is 0; it must be a number above 0"),
        ([{"skip_dropout": 1}], 4, r"skip_dropout is 1; it must be a number of at least 0 and be"),
        ([{"share": True}], 4, r"share is True; it must be a number above 0"),
    ],
)
def test_bad_stages_are_faults(stages, epochs, says):
    with pytest.raises(Fault, match=says):
        schedule(stages, epochs, {})


def test_bad_values_without_stages_name_the_strategy():
    with pytest.raises(Fault, match=r"strategy.warmup is 1.0; .*\nstrategy.partial_channels is 0;"):
        schedule([], 4, {"warmup": 1.0, "partial_channels": 0})


OPTIONS = ("none", "skip_connect", "a", "b")
EDGES = [Edge("1<-0", "cell", OPTIONS, 0, 1), Edge("2<-0", "cell", OPTIONS[:3], 0, 2)]


def test_the_strongest_options_are_kept():
    weights = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.5, 0.3, 0.2, 0.0]])
    present = torch.tensor([[True] * 4, [True] * 3 + [False]])
    assert strongest(weights, EDGES, present, 2) == [[1, 3], [0, 1]]
    assert strongest(weights, EDGES, present, 9) == [[0, 1, 2, 3], [0, 1, 2]]


def test_none_is_never_all_that_is_kept():
    weights = torch.tensor([[0.9, 0.0, 0.1, 0.0], [0.9, 0.1, 0.0, 0.0]])
    present = torch.tensor([[True] * 4, [True] * 3 + [False]])
    assert strongest(weights, EDGES, present, 1) == [[2], [1]]


def test_what_was_dropped_stays_dropped():
    weights = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    present = torch.tensor([[True, False, False, True], [False, False, True, False]])
    assert strongest(weights, EDGES, present, 3) == [[0, 3], [2]]
