"""Layers as kernel calls, held to what the layers cost."""

import math
import random
from collections import Counter

import pytest
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.space import sample
from nascli.costs.calls import OnCalls, calls_of, cost_of, network_calls
from nascli.costs.latency_models import Example, LeastSquares
from nascli.costs.layer_counts import JOINTS, counts_of
from nascli.costs.plans import PlanCounter

SPACES = ("cell", "chain", "hierarchical", "mobile", "nasbench201", "once_for_all_small")
SPACES += ("nasbench_macro", "shufflenet")


def space_of(name):
    return instantiate(composed(f"space={name}").space, _partial_=True)(
        ToyTask(input_shape=(3, 32, 32))
    )


@pytest.fixture(scope="module")
def mobile():
    return space_of("mobile")


def test_a_block_is_its_convolutions_by_shape_and_weights(mobile):
    block = Layer("mbconv_5x5_e6", 24, 40, 2, 9, 8)
    expand, inside, project = calls = [
        Layer("conv 1x1", 24, 144, 1, 9, 8, after(9, 8, 24 * 144)),
        Layer("depthwise 5x5 of InvertedResidual", 144, 144, 1, 9, 8, after(5, 4, 25 * 144)),
        Layer("conv 1x1", 144, 40, 1, 5, 4, after(5, 4, 144 * 40)),
    ]
    assert calls_of(mobile)(block) == Counter(calls)
    assert cost_of(expand).macs == 24 * 144 * 72
    assert cost_of(inside).macs == 25 * 144 * 20 and cost_of(inside).params == 25 * 144
    assert cost_of(project).output_bytes == 4 * 40 * 20


def after(height, width, weights):
    return (("to_height", height), ("to_width", width), ("weights", weights))


def test_a_sum_reads_the_channels_of_both_and_a_scale_is_one_pixel(mobile):
    """The residual of a block reads two tensors; squeeze-excite multiplies by one pixel."""
    calls = calls_of(mobile)(Layer("mbconv_3x3_e6", 24, 24, 1, 8, 8))
    assert Layer("add", 48, 24, 1, 8, 8, after(8, 8, 0)) in calls
    squeezed = space_of("once_for_all_small")
    layers = [layer for layer in squeezed.layers() if "se" in str(layer)]
    products = [c for n in layers for c in calls_of(squeezed)(n) if c.operation == "multiply"]
    assert products and all(call.in_channels == call.out_channels for call in products)


def test_what_runtimes_do_differently_is_told_apart():
    """The largest or the mean, dilated or not; but a 1x1 convolution is one wherever it is."""
    calls = calls_of(space_of("cell"))
    shape = (16, 16, 1, 8, 8)
    largest, mean, dense, dilated = (
        set(calls(Layer(name, *shape)))
        for name in ("max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "dil_conv_3x3")
    )
    assert largest.isdisjoint(mean)
    shared = {call.operation for call in dense & dilated}
    assert "conv 1x1" in shared and not any("depthwise" in name for name in shared)


@pytest.mark.parametrize("name", SPACES)
def test_calls_have_all_multiply_adds_and_weights_of_their_layer(name):
    """But biases, one of each for an output; and batch norms, two parameters a channel."""
    space = space_of(name)
    counter, calls = PlanCounter(space), calls_of(space)
    for layer in space.layers():
        cost, called = counter.layer(layer), calls(layer).items()
        macs, weights = (
            sum(number * getattr(cost_of(call), what) for call, number in called)
            for what in ("macs", "params")
        )
        norms = [call for call, _ in called if call.operation.startswith("depthwise 1x1")]
        macs -= sum(cost_of(call).macs for call in norms)  # a batch norm that stands alone
        biases = 0 if cost.macs == macs else cost.macs - macs
        assert 0 <= biases <= sum(n * call.out_channels for call, n in called), layer
        assert weights <= cost.params, layer


def test_additions_of_a_plan_and_operations_of_the_users_own_are_one_call(mobile):
    for layer in (Layer(JOINTS[0], 8, 4, 1, 3, 3), Layer("own", 3, 4, 2, 8, 8)):
        assert calls_of(mobile)(layer) == Counter([layer])
    assert cost_of(Layer("own", 3, 4, 2, 8, 8)) == (0, 0, 256, 256, False)


def test_a_layer_that_no_network_had_is_known_by_calls_that_others_make():
    """Three blocks of two calls each; networks have two of them, and one call alone."""
    x, y, z = (Layer(f"conv {n}x{n}", n, n, 1, 4, 4, after(4, 4, 9 * n)) for n in (1, 3, 5))
    xy, yz, xz, alone = (Layer(name, 1, 1, 1, 4, 4) for name in ("xy", "yz", "xz", "alone"))
    made = {xy: (x, y), yz: (y, z), xz: (x, z), alone: (y,)}
    took, rng = {x: 0.3, y: 0.5, z: 0.2}, random.Random(1)

    def example():
        counts = Counter({layer: rng.randint(1, 9) for layer in (xy, yz, alone)})
        called = [took[call] * n for layer, n in counts.items() for call in made[layer]]
        return Example(Genotype.of("toy", {}), counts, 0.1 + math.fsum(called))

    model = OnCalls(LeastSquares(cost_of, 1e-6), lambda layer: Counter(made[layer]))
    assert model.name == "least squares on counts of kernel calls and costs, ridge 1e-06"
    fitted = model.fit([example() for _ in range(20)])
    assert fitted.constant == pytest.approx(0.1, rel=0.05)
    assert fitted.layer_ms(xz) == pytest.approx(0.5, rel=0.01)
    assert fitted(None, Counter({xz: 2})) == pytest.approx(1.1, rel=0.01)


@pytest.fixture(scope="module")
def cells():
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    return make(ToyTask(input_shape=(3, 16, 16)), channels=4, cells_per_stage=1)


def cell(space, *options):
    return Genotype.of(space.name, dict(zip(space.decisions, options, strict=True)))


def number(calls, word):
    return sum(count for call, count in calls.items() if call.operation.startswith(word))


def test_in_a_network_a_relu_is_computed_once_for_all_who_ask(cells):
    """Six convolutions of a cell read three states; alone, each would have a ReLU of its own."""
    genotype = cell(cells, *["nor_conv_3x3"] * 6)
    plan, calls = cells.plan(genotype), calls_of(cells)
    alone = sum(n * number(calls(layer), "relu") for layer, n in counts_of(plan).items())
    found = network_calls(cells, calls_of(cells))(genotype)
    convolutions = sum(layer.operation == "nor_conv_3x3" for layer in plan.layers())
    assert convolutions == 3 * 6 and alone >= convolutions
    assert number(found, "relu") <= 3 * 3 + 2 + 1  # two reductions, and one before the classifier
    macs = sum(count * cost_of(call).macs for call, count in found.items())
    norms = sum(
        count * cost_of(call).macs
        for call, count in found.items()
        if call.operation.startswith("depthwise 1x1")
    )
    counted = PlanCounter(cells).of(plan).macs
    assert 0 <= counted - (macs - norms) <= 10 * cells.task.classes  # biases of the classifier


def test_in_a_network_nothing_is_computed_that_is_the_same_for_all_images(cells):
    """Without an edge to the last state, cells give zeros, whatever else is in them."""
    dead = cell(cells, "nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "none", "none", "none")
    assert not network_calls(cells, calls_of(cells))(dead)
    added = cell(cells, "none", "nor_conv_1x1", "nor_conv_1x1", "none", "none", "nor_conv_1x1")
    sums = {
        call for call in network_calls(cells, calls_of(cells))(added) if call.operation == "add"
    }
    assert {call.in_channels for call in sums if call.height == 16} == {4}  # of one, not of two
    half = cell(cells, "nor_conv_3x3", "none", "none", "nor_conv_1x1", "none", "none")
    found = network_calls(cells, calls_of(cells))(half)
    assert number(found, "conv 1x1 ") == 0 and number(found, "conv 1x1") >= 3
    assert number(found, "conv 3x3") < 3 + 6  # the first state's alone are needed by nothing


def test_in_a_network_with_an_operation_of_the_users_own_layers_are_added_up(cells, monkeypatch):
    genotype = cell(cells, *["nor_conv_1x1"] * 6)
    calls, expected = calls_of(cells), Counter()
    for layer, times in counts_of(cells.plan(genotype), pruned=True).items():
        for call, count in calls(layer).items():
            expected[call] += times * count

    def unknown(*_):
        raise Fault("an operation of the user's own")

    monkeypatch.setattr("nascli.costs.calls.network_of", unknown)
    assert network_calls(cells, calls_of(cells))(genotype) == expected


def test_what_layers_share_in_a_network_is_learnt_where_a_sum_of_layers_is_off(cells):
    """Each call takes its time; a ReLU, a whole millisecond."""
    calls, whole, rng = calls_of(cells), network_calls(cells, calls_of(cells)), random.Random(3)

    def took(call):
        return 1.0 if call.operation == "relu" else 0.01 + cost_of(call).macs / 1e6

    def example():
        genotype = sample(cells, rng)
        ms = 0.5 + math.fsum(count * took(call) for call, count in whole(genotype).items())
        return Example(genotype, counts_of(cells.plan(genotype), pruned=True), ms)

    known, others = ([example() for _ in range(count)] for count in (64, 40))
    off = []
    for network in (None, whole):
        fitted = OnCalls(LeastSquares(cost_of, 0.001), calls, network).fit(known)
        off.append(sum(abs(fitted(e.genotype, e.counts) / e.ms - 1) for e in others) / 40)
    assert off[1] < 0.01 and off[0] > 3 * off[1]
    layer = Layer("nor_conv_3x3", 4, 4, 1, 16, 16)
    assert fitted.layer_ms(layer) > 0 and fitted.constant >= 0
