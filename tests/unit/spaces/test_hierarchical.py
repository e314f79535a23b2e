"""Cells and skeleton in one genotype: what is merged, what is counted, what a path runs."""

import itertools
import random

import pytest
import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.costs.count import count
from nascli.costs.extremes import extremes
from nascli.costs.plans import PlanCounter
from nascli.genotypes.nasbench201 import EDGES
from nascli.gradient.additive import AdditiveCost

PASSES = dict.fromkeys(EDGES, "none") | {"3<-0": "skip_connect"}
ZEROS = dict.fromkeys(EDGES, "none")
CONVOLUTION = ZEROS | {"3<-0": "nor_conv_3x3"}


def hierarchical(shape=(3, 8, 8), **settings):
    make = instantiate(composed("space=hierarchical").space, _partial_=True)
    settings = {"channels": [4, 4, 6], "strides": [1, 1, 2], "cells": [[0, 1, 2]] * 3, **settings}
    return make(ToyTask("toy", shape, 10), **settings)


def genotype(space, counts, cells):
    choices = {key: options[0] for key, options in space.decisions.items()}
    for stage, (number, cell) in enumerate(zip(counts, cells, strict=True), start=1):
        choices[f"{stage}/cells"] = str(number)
        choices.update({f"{stage}/{edge}": cell[edge] for edge in EDGES})
    return Genotype.of(space.name, choices)


def conv(given, made, side, size):
    """Parameters and multiply-adds of a convolution and of the batch norm behind it."""
    return given * made * size * size + 2 * made, given * made * size * size * side * side


def test_params_and_macs_of_a_network_by_hand():
    space = hierarchical()
    made = genotype(space, (2, 0, 1), (CONVOLUTION,) * 3)
    # stem, two cells of one convolution, nothing in stage 2, a reduction at half the size, one cell
    layers = [conv(3, 4, 8, 3), *[conv(4, 4, 8, 3)] * 2, conv(4, 6, 4, 1), conv(6, 6, 4, 3)]
    params = sum(p for p, _ in layers) + 2 * 6 + 6 * 10 + 10
    found = count(space.network(made), (3, 8, 8))
    assert (found.params, PlanCounter(space)(made).params) == (params, params)
    assert PlanCounter(space)(made).macs == sum(m for _, m in layers) + 6 * 10 + 10


@pytest.mark.parametrize(
    ("counts", "cells", "merged", "first"),
    [
        ((0, 1, 1), (CONVOLUTION,) * 3, (0, 1, 1), [1]),  # the cell of a stage without any
        ((2, 1, 1), (PASSES, CONVOLUTION, CONVOLUTION), (0, 1, 1), [1]),  # the identity
        ((1, 2, 1), (CONVOLUTION, ZEROS, CONVOLUTION), (0, 1, 1), [1]),  # zeros, and all before
        ((1, 1, 1), (CONVOLUTION,) * 3, (1, 1, 1), []),
    ],
)
def test_canonical_merges_what_computes_the_same(counts, cells, merged, first):
    space = hierarchical()
    made = genotype(space, counts, cells)
    found = space.canonical(made)
    assert [int(found[f"{stage}/cells"]) for stage in (1, 2, 3)] == list(merged)
    for stage, cell in enumerate(cells, start=1):
        kept = dict.fromkeys(EDGES, "none") if stage in first else cell
        assert {edge: found[f"{stage}/{edge}"] for edge in EDGES} == kept
    networks = [space.network(g).eval() for g in (made, found)]
    weights = networks[0].state_dict()
    shared = {key: weights[key] for key in networks[1].state_dict()}
    networks[1].load_state_dict(shared)
    images = torch.randn(2, 3, 8, 8)
    assert torch.allclose(*(network(images) for network in networks))


def test_an_identity_is_as_few_cells_as_there_can_be():
    space = hierarchical(cells=[[2, 1], 1, 1])
    found = space.canonical(genotype(space, (2, 1, 1), (PASSES, CONVOLUTION, CONVOLUTION)))
    assert (found["1/cells"], found["1/3<-0"]) == ("1", "skip_connect")


def test_cells_that_a_path_does_not_have_are_not_run():
    space = hierarchical()
    supernet = space.supernet().train()
    made = genotype(space, (1, 0, 2), (CONVOLUTION,) * 3)
    supernet(torch.randn(2, 3, 8, 8), supernet.path(made)).sum().backward()
    run = {n for n, p in supernet.named_parameters() if p.grad is not None and "cells" in n}
    assert {name.partition(".weighted")[0] for name in run} == {
        "stages.0.cells.0", "stages.2.cells.0", "stages.2.cells.1",
    }  # fmt: skip


def test_a_mixture_of_depths_weighs_the_results_of_the_cells():
    """Against the cells run one by one, each with all of its options."""
    space = hierarchical(cells=[[0, 1, 2], 1, 1])
    supernet = space.supernet().double().eval()
    (row,) = (n for n, choice in enumerate(supernet.choices) if choice.name == "1/cells")
    images = torch.randn(2, 3, 8, 8).double()
    made = [genotype(space, (n, 1, 1), (CONVOLUTION,) * 3) for n in (0, 1, 2)]
    mixed = supernet.path(made[2])
    weights = mixed.weights.clone()
    weights[row, :3] = torch.tensor([0.2, 0.5, 0.3])
    active = (*mixed.active[:row], (0, 1, 2), *mixed.active[row + 1 :])
    seen = []
    supernet.stages[1].cells[0].register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
    with torch.no_grad():
        for path in map(supernet.path, made):
            supernet(images, path)
        supernet(images, type(mixed)(weights, active))
    assert torch.allclose(seen[3], 0.2 * seen[0] + 0.5 * seen[1] + 0.3 * seen[2])


def test_paths_that_differ_in_depth_share_how_they_begin():
    space = hierarchical()
    supernet = space.supernet().double().eval()
    images, keys = torch.randn(2, 3, 8, 8).double(), []
    for counts in ((1, 0, 1), (2, 0, 1), (1, 1, 1)):
        path = supernet.path(genotype(space, counts, (CONVOLUTION,) * 3))
        result = images
        for step in supernet.steps(path):
            result = step.run(result)
        assert torch.equal(result, supernet(images, path))
        keys.append([step.key for step in supernet.steps(path)])
    pairs = (zip(keys[0], other, strict=False) for other in keys[1:])
    common = [len(list(itertools.takewhile(lambda both: both[0] == both[1], p))) for p in pairs]
    assert common == [2, 3]  # stem and first cell; and then the choice of one cell


def small():
    """A space of which every network can be looked at."""
    operations = composed("space=hierarchical").space.operations
    names = ("none", "nor_conv_1x1")
    return hierarchical(
        channels=[3], strides=[2], cells=[[0, 1, 3]],
        operations={name: dict(operations[name]) for name in names},
    )  # fmt: skip


def test_the_smallest_and_the_largest_network_are_proved():
    space = small()
    counter = PlanCounter(space)
    found = extremes(space, counter)
    counts = [counter(moves.at(space, number)) for number in range(moves.size(space))]
    for metric, ends in found.items():
        values = [getattr(one, metric) for one in counts]
        assert [getattr(counter(g), metric) for g in ends] == [min(values), max(values)]
    assert set(found) == {"params", "macs", "flops"}


@pytest.mark.parametrize("metric", ["params", "macs"])
def test_the_expected_cost_is_the_mean_over_networks(metric):
    """Against all networks of a small space, each weighed by its chance."""
    space = small()
    problem = Problem(space=space, task=space.task, recipe=None)
    choices = space.plan().choices
    there = torch.tensor([[number < len(c.options) for number in range(3)] for c in choices])
    weights = torch.rand(len(choices), 3).masked_fill(~there, -torch.inf).double().softmax(1)
    counter, expected = PlanCounter(space), 0.0
    for number in range(moves.size(space)):
        made = moves.at(space, number)
        rows = zip(choices, weights, strict=True)
        chance = torch.stack([row[c.options.index(made[c.name])] for c, row in rows]).prod()
        expected += float(chance) * getattr(counter(made), metric)
    found = AdditiveCost(problem, metric, "me").expected(weights)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_a_wider_and_deeper_one_keeps_its_cells():
    space = hierarchical(cells=[[0, 1, 2], [0, 1, 2], 2])
    made = genotype(space, (1, 0, 2), (CONVOLUTION,) * 3)
    settings, larger = space.resized(made, 2.0, 1.5, 2)
    assert settings == {"channels": [8, 8, 12], "strides": [1, 1, 2], "cells": [2, 0, 3]}
    assert space.resized(made, 1.0, 0.4, 1, "nearest")[0]["cells"] == [1, 0, 1]
    made = hierarchical(**settings)
    assert moves.check(made, larger) == larger
    assert [larger[f"{stage}/3<-0"] for stage in (1, 3)] == ["nor_conv_3x3"] * 2


def test_lists_of_channels_and_strides_are_for_samples():
    space = hierarchical(channels=[4, [4, 8], 6], strides=[1, [1, 2], 2])
    rng = random.Random(0)
    sizes = {
        (g["2/channels"], g["2/stride"]) for g in (moves.sample(space, rng) for _ in range(50))
    }
    assert len(sizes) == 4
    layers = space.layers()
    for _ in range(20):
        assert set(space.plan(moves.sample(space, rng)).layers()) <= set(layers)
    with pytest.raises(
        Fault, match=r"no supernet and no open plan while 2/channels is a choice \(4, "
    ):
        space.supernet()
    with pytest.raises(Fault, match=r"while 1/stride is a choice \(1, 2\); give space.strides one"):
        hierarchical(strides=[[1, 2], 1, 1]).plan()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"strides": [2, 2, 2], "shape": (3, 7, 9)}, "images of 7x9 pixels .* allowed is 8x8"),
        ({"strides": [1, 3, 1]}, "space.strides has 3 for stage 2; .* from 1 to 2, or a list"),
        ({"cells": [[1, 1], 1, 1]}, r"space.cells has \[1, 1\] for stage 1; .* from 0 to 500"),
        ({"cells": [[], 1, 1]}, r"space.cells has \[\] for stage 1; .* whole number from 0 to 500"),
        ({"channels": [4, 10**6, 4]}, "space.channels has 1000000 for stage 2; .* 1 to 65,536"),
        ({"channels": [4, 4, 1]}, "space.channels has 1 for stage 3, whose stride may be 2"),
        ({"channels": 4}, "space.channels is 4; it must have a number or a list for each stage"),
        ({"channels": [4, 8]}, "channels for 2, strides for 3, cells for 3 stages; .* as many"),
        ({"cells": [0, 0, 0]}, "every decision has one option, so there is nothing to search"),
    ],
)  # fmt: skip
def test_sizes_that_make_no_sense(settings, text):
    with pytest.raises(Fault, match=text):
        hierarchical(**settings)
