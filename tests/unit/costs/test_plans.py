"""Sums over plans against counts of the built networks, to the last byte."""

import dataclasses
import random
import re
import subprocess
import sys

import pytest
import torch
from fixtures import CHECKOUT, ToyTask, composed
from hydra.utils import instantiate
from torch import nn

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import IMAGES, Layer, Place, Plan
from nascli.core.space import at, sample, size
from nascli.costs.cost import Cost
from nascli.costs.count import count
from nascli.costs.lifetimes import peak_bytes
from nascli.costs.plans import PlanCounter
from nascli.genotypes import load


def space_of(name, shape=(3, 32, 32), classes=10, *, operations=None, **settings):
    config = composed(f"space={name}").space
    make = instantiate(config, _partial_=True)
    if operations is not None:
        settings["operations"] = operations
    return make(ToyTask("toy", shape, classes), **settings)


def built(space, genotype):
    with torch.device("meta"):
        return count(space.network(genotype), space.task.input_shape)


SMALL = [
    *(("cell", {"cells": c, "nodes": n}) for c in (1, 2) for n in (1, 2)),
    ("cell", {"cells": 4, "nodes": 3}),
    ("cell", {"cells": 3, "nodes": 2, "stem": "imagenet"}),
    ("cell", {"cells": 1, "nodes": 1, "stem": "imagenet"}),
    ("cell", {"cells": 3, "nodes": 2, "auxiliary": True}),
    ("nasbench201", {"cells_per_stage": 1}),
    ("nasbench201", {"cells_per_stage": 2}),
]


@pytest.mark.parametrize(("shape", "channels"), [((1, 35, 32), 2), ((3, 37, 41), 5)], ids=str)
@pytest.mark.parametrize(("name", "settings"), SMALL, ids=str)
def test_equal_to_a_count_of_the_built_network(name, settings, shape, channels):
    space = space_of(name, shape, 7, channels=channels, **settings)
    counter, rng = PlanCounter(space), random.Random(f"{settings}{channels}")
    for genotype in [sample(space, rng) for _ in range(9)]:
        assert counter(genotype) == built(space, genotype), genotype


def test_peaks_differ_between_genotypes_where_that_is_looked_at():
    # Otherwise the test above would hold the rule to little.
    found = {}
    for name, settings in (("cell", {"cells": 2, "nodes": 3}), ("nasbench201", {})):
        space = space_of(name, (3, 33, 47), channels=4, **settings)
        counter, rng = PlanCounter(space), random.Random(0)
        found[name] = {counter(sample(space, rng)).peak_memory_mb for _ in range(100)}
    assert all(len(peaks) > 1 for peaks in found.values())


@pytest.mark.parametrize("option", ["skip_connect", "none", "avg_pool_3x3"])
def test_where_the_same_tensor_is_passed_on(option):
    # Identities on every edge: a node adds a tensor to itself; none at all: it is zeros.
    space = space_of("nasbench201", (1, 9, 8), channels=3, cells_per_stage=2)
    everywhere = dict.fromkeys(space.decisions, option)
    for free, options in space.decisions.items():
        for other in options:
            genotype = Genotype.of(space.name, {**everywhere, free: other})
            assert PlanCounter(space)(genotype) == built(space, genotype)


def test_the_auxiliary_head_is_counted_apart():
    plain = space_of("cell", channels=36, cells=20)
    space = space_of("cell", channels=36, cells=20, auxiliary=True)
    counts = PlanCounter(space)(load("darts_v2"))
    # published: 3,349,342 parameters, 3,825,768 with the head (see tests/reference)
    assert (counts.params, counts.auxiliary_params) == (3_349_342, 3_825_768 - 3_349_342)
    without = PlanCounter(plain)(load("darts_v2"))
    assert dataclasses.replace(counts, auxiliary_params=0) == without


def test_published_counts_of_nasbench201():
    # The benchmark's own figures for 3x3 convolutions everywhere, on CIFAR-10 (2001.00326).
    space = space_of("nasbench201")
    genotype = Genotype.of(space.name, dict.fromkeys(space.decisions, "nor_conv_3x3"))
    counts = PlanCounter(space)(genotype)
    assert (counts.params, counts.macs) == (1_531_546, 220_119_690)
    assert counts.flops == 2 * counts.macs


def wide(in_channels, out_channels, stride, shared):
    return nn.Conv2d(in_channels, out_channels, 7, stride, 3)


class Passing(nn.Module):
    """Gives a view of its input, after it has held three times as much."""

    def __init__(self, *_):
        super().__init__()

    def forward(self, state):
        torch.cat([state, state, state], 1)
        return state.flatten(0).view_as(state)


class Unusual(nn.Module):
    def __init__(self, *_):
        super().__init__()

    def forward(self, state):
        side = min(state.shape[-2:])
        torch.linalg.matrix_exp(state[..., :side, :side])
        return state.clone()


def test_operations_of_the_users_own_are_counted_whatever_their_names():
    operations = {"none": wide, "nor_conv_1x1": wide, "skip_connect": Passing}
    space = space_of("nasbench201", (1, 8, 8), operations=operations, channels=3, cells_per_stage=1)
    counter, rng = PlanCounter(space), random.Random(0)
    before = torch.get_rng_state()
    for genotype in [sample(space, rng) for _ in range(20)]:
        assert counter(genotype) == built(space, genotype)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_layer_is_counted_by_running_it_once_only(monkeypatch):
    calls = []

    def noted(*arguments):
        calls.append(arguments)
        return wide(*arguments)

    operations = {"mine": noted, "skip_connect": Passing}
    space = space_of("nasbench201", (1, 8, 8), operations=operations, channels=3, cells_per_stage=1)
    counter = PlanCounter(space)
    for number in range(size(space)):
        counter(at(space, number))
    assert len(calls) == 3  # once for every stage's shape


def test_what_cannot_be_counted_is_named_with_every_network_that_has_it():
    operations = {"odd": Unusual, "mine": wide}
    space = space_of("nasbench201", (1, 8, 8), operations=operations, channels=2, cells_per_stage=1)
    counter = PlanCounter(space)
    for option, expected in (("odd", ("aten.linalg_matrix_exp",)), ("mine", ())) * 2:
        genotype = Genotype.of(space.name, dict.fromkeys(space.decisions, option))
        assert counter(genotype).uncounted == expected == built(space, genotype).uncounted


def conv(in_channels, out_channels, stride, _shared, padding=1):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, stride, padding))


def unstrided(in_channels, out_channels, _stride, shared):
    return conv(in_channels, out_channels, 1, shared)


def unpadded(in_channels, out_channels, stride, shared):
    return conv(in_channels, out_channels, stride, shared, padding=0)


def of_other_channels(in_channels, out_channels, stride, shared):
    return conv(in_channels + 1, out_channels, stride, shared)


def mistyped(_in_channels, _out_channels, _stride, _shared):
    return nn.Conv2D()


def no_module(_in_channels, _out_channels, _stride, _shared):
    return 3


class Pair(nn.Module):
    """Gives more than its result."""

    def __init__(self, *_shape):
        super().__init__()

    def forward(self, images):
        return images, 1


class Looking(nn.Module):
    """Asks for a value, which shapes alone do not have."""

    def __init__(self, *shape):
        super().__init__()
        self.body = conv(*shape)

    def forward(self, images):
        return self.body(images if images.sum().item() >= 0 else -images)


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (unstrided, "with stride 2 on 4x8x8 gives 4x8x8; it must give 4x4x4: see its stride"),
        (unpadded, "with stride 1 on 2x8x8 gives 2x6x6; it must give 2x8x8: see its stride"),
        (of_other_channels, "with stride 1 on 2x8x8 fails: RuntimeError: Given groups=1"),
        (mistyped, "cannot be built as factory(in_channels, out_channels, stride, shared): Attr"),
        (no_module, "gives 3; it must give a module"),
        (Pair, "fails: TypeError: its result is a tuple, not a tensor"),
    ],
)
def test_a_broken_operation_is_named_with_the_layer_that_it_fails_at(operation, says):
    operations = {"skip_connect": wide, "mine": operation}
    space = space_of("cell", (3, 8, 8), operations=operations, channels=2, cells=3, nodes=2)
    with pytest.raises(Fault) as caught:
        PlanCounter(space).check()
    line = next(line for line in str(caught.value).splitlines() if "'mine'" in line)
    assert line.startswith("operation 'mine' ")
    assert says in line
    assert re.search(r"\(choice (normal|reduction)/\S+\)$", line)


def test_every_broken_operation_is_named_and_sound_ones_are_not():
    operations = {"a": unstrided, "b": conv, "c": unpadded}
    space = space_of("cell", (3, 8, 8), operations=operations, channels=2, cells=3, nodes=2)
    with pytest.raises(Fault) as caught:
        PlanCounter(space).check()
    assert [line.split()[1] for line in str(caught.value).splitlines()] == ["'a'", "'c'"]


def test_what_asks_for_values_is_counted_on_an_image():
    space = space_of("nasbench201", (3, 8, 8), operations={"mine": Looking}, channels=2)
    plain = space_of("nasbench201", (3, 8, 8), operations={"mine": conv}, channels=2)
    PlanCounter(space).check()
    looked, counted = (PlanCounter(one)(at(one, 0)) for one in (space, plain))
    assert (looked.params, looked.macs) == (counted.params, counted.macs)


def test_a_foreign_genotype_is_refused():
    counter = PlanCounter(space_of("nasbench201"))
    with pytest.raises(Fault, match="not of space 'nasbench201'"):
        counter(load("darts_v2"))


def plan_of(*places, output):
    return Plan((1, 2, 2), places, output)


WIDE = Layer("wide", 1, 4, 1, 2, 2)
# It makes 4 values a pixel, and 3 more while it runs. One unit below is a value at each of 4
# pixels, 16 bytes.
COSTS = dict.fromkeys("abcd", Cost(0, 0, 16 * (4 + 3), 16 * 4))


def test_the_rule_by_hand():
    def layer(name, source):
        return Place("layer", name, (source,), WIDE.shape, WIDE)

    chain = plan_of(layer("a", IMAGES), layer("b", "a"), output="b")
    assert peak_bytes(chain, COSTS) == 16 * (1 + 4 + 7)  # a is read while b is made
    # the images, 1 unit, are always there
    unread = plan_of(layer("a", IMAGES), layer("b", IMAGES), output="b")
    assert peak_bytes(unread, COSTS) == 16 * (1 + 7)  # a goes at once
    kept = plan_of(layer("a", IMAGES), layer("b", IMAGES), output="a")
    assert peak_bytes(kept, COSTS) == 16 * (1 + 4 + 7)  # the result stays
    both = [layer("a", IMAGES), layer("b", "a"), layer("c", IMAGES)]
    add = Place("add", "sum", ("a", "b", "c"), WIDE.shape)
    # a, b and c; then a + b; then a and b go, and the sum is made
    assert peak_bytes(plan_of(*both, add, output="sum"), COSTS) == 16 * (1 + 4 * 3 + 4)
    last = Place("add", "e", ("sum", "d", "a"), WIDE.shape)
    later = plan_of(*both, add, layer("d", "a"), last, output="e")
    # a stays until the end: a, b, c and a + b; a, sum and what d holds; a, sum, d and sum + d
    assert peak_bytes(later, COSTS) == 16 * (1 + 4 * 3 + 4)
    side = Place("concatenate", "side", ("a", "b", "c"), (12, 2, 2))
    assert peak_bytes(plan_of(*both, side, output="side"), COSTS) == 16 * (1 + 12 + 12)
    # A sum that nobody reads is made all the same, two partial ones at a time; a, b and c stay.
    ends = [Place("add", name, (name[0],), WIDE.shape) for name in ("a2", "b2", "c2")]
    wasted = plan_of(*both, add._replace(name="wasted"), *ends, output="c2")
    assert peak_bytes(wasted, COSTS) == 16 * (1 + 4 * 3 + 4 * 2)
    single = Place("add", "same", ("b",), WIDE.shape)
    passed = plan_of(*both[:2], single, layer("c", "same"), output="c")
    assert peak_bytes(passed, COSTS) == 16 * (1 + 4 + 7)
    zeros = plan_of(Place("add", "zeros", (), WIDE.shape), layer("a", "zeros"), output="a")
    assert peak_bytes(zeros, COSTS) == 16 * (1 + 4 + 7)


def test_counting_needs_no_torch():
    code = (
        "import sys, random\n"
        "from nascli.spaces.nasbench201 import NASBench201\n"
        "from nascli.core.space import sample\n"
        "from nascli.costs.extremes import extremes\n"
        "from nascli.costs.plans import PlanCounter\n"
        "from nascli.estimators.costs import Costs\n"
        "task = type('Task', (), {'input_shape': (3, 32, 32), 'classes': 10})\n"
        "conv = {'_target_': 'nascli.operations.convolution.ReluConvNorm', 'kernel': 3}\n"
        "space = NASBench201(task, {'conv': conv, 'none': {'_target_': 'x'}})\n"
        "counter = PlanCounter(space)\n"
        "counter(sample(space, random.Random(0)))\n"
        "assert extremes(space, counter)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT).returncode == 0
