"""What a runtime says of kernels, laid to the calls that a space's layers are made of."""

import random

import pytest
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.device import Kernel
from nascli.core.genotype import Genotype
from nascli.core.plan import Layer
from nascli.core.space import sample
from nascli.costs.calls import OnCalls, calls_of, cost_of, network_calls
from nascli.costs.kernel_times import kernel_times
from nascli.costs.latency_models import Example, LeastSquares
from nascli.costs.layer_counts import counts_of


def call(name, inside, shape):
    (channels, height, width), (out, *after) = inside, shape
    settings = (("to_height", after[0]), ("to_width", after[1]), ("weights", channels * out))
    return Layer(name, channels, out, 1, height, width, settings)


def example(ms, *kernels, calls):
    return Example(Genotype.of("toy", {}), dict.fromkeys(calls, 1), ms, kernels)


SMALL, LARGE = (16, 8, 8), (32, 4, 4)
CONV = call("conv 3x3", SMALL, LARGE)


def test_a_call_takes_its_share_of_the_networks_that_have_it():
    other = call("conv 1x1", SMALL, LARGE)
    kernel = Kernel("conv 3x3", SMALL, LARGE, 0.5)
    several = [
        example(2.0, kernel, calls=[CONV, other]),
        example(4.0, Kernel("conv 3x3", SMALL, LARGE, 0.2), calls=[CONV]),
        example(9.0, kernel, kernel, Kernel("conv 3x3", SMALL, LARGE, 0.2), calls=[CONV]),
        example(9.0, kernel, calls=[other]),  # of no call that is known
    ]
    # 1.0, 0.8, and the mean of 4.5, 4.5 and 1.8
    assert kernel_times(several) == {CONV: pytest.approx(1.0)}
    assert kernel_times(several[2:3]) == {CONV: pytest.approx(3.6)}
    assert kernel_times([]) == {}


@pytest.mark.parametrize(
    ("name", "inside", "shape"),
    [
        ("conv 5x5", SMALL, LARGE),
        ("depthwise 3x3", SMALL, LARGE),
        ("conv 3x3", (24, 8, 8), LARGE),
        ("conv 3x3", (16, 8, 9), LARGE),
        ("conv 3x3", SMALL, (48, 4, 4)),
        ("conv 3x3", SMALL, (32, 8, 8)),
        ("conv 3x3", (8, 8, 8), LARGE),
    ],
)
def test_kernels_of_other_shapes_are_others(name, inside, shape):
    assert not kernel_times([example(1.0, Kernel(name, inside, shape, 0.5), calls=[CONV])])


def test_channels_are_filled_up_to_a_vector_and_the_nearest_call_is_meant():
    narrow, wide = (call("conv 1x1", (n, 8, 8), (3, 8, 8)) for n in (3, 6))
    kernel = Kernel("conv 1x1", (8, 8, 8), (16, 8, 8), 1.0)
    assert kernel_times([example(1.0, kernel, calls=[narrow, wide])]) == {wide: 1.0}
    assert kernel_times([example(1.0, kernel, calls=[narrow])]) == {narrow: 1.0}


def test_what_the_runtime_does_not_tell_apart_is_told_alike():
    calls = [call(f"depthwise 3x3 of {name}", SMALL, SMALL) for name in ("Dense", "Dilated")]
    kernel = Kernel("depthwise 3x3", SMALL, SMALL, 0.25)
    assert kernel_times([example(4.0, kernel, calls=calls)]) == dict.fromkeys(calls, 1.0)


@pytest.fixture(scope="module")
def mobile():
    """A space, what its layers call, and what its networks do."""
    space = instantiate(composed("space=mobile").space, _partial_=True)(
        ToyTask(input_shape=(3, 32, 32))
    )
    calls = calls_of(space)
    return space, calls, network_calls(space, calls)


def test_what_a_profiler_favours_is_told_by_the_networks(mobile):
    """All depthwise convolutions are said to take half as long again."""
    space, calls, whole = mobile
    rng = random.Random(8)

    def took(one):
        return 0.01 + sum(cost_of(one)[:2]) / 1e7

    def made():
        genotype = sample(space, rng)
        found = whole(genotype)
        ms = sum(number * took(one) for one, number in found.items())
        told = {one: took(one) for one in found if "x" in one.operation}
        favoured = {n: ms * (1.5 if "depthwise" in n.operation else 1) for n, ms in told.items()}
        said = ms + sum(found[n] * (favoured[n] - told[n]) for n in told)
        kernels = [
            Kernel(n.operation.partition(" of ")[0], inside(n), n.shape, favoured[n] / said)
            for n in told
            for _ in range(found[n])
        ]
        return Example(genotype, counts_of(space.plan(genotype), pruned=True), ms, kernels)

    known, others = [made() for _ in range(16)], [made() for _ in range(20)]
    model = OnCalls(LeastSquares(cost_of, 10.0), calls, whole, timed=True)
    fitted = model.fit(known)
    off = sum(abs(fitted(e.genotype, e.counts) / e.ms - 1) for e in others) / 20
    assert off < 0.01


def inside(call):
    return call.in_channels, call.height, call.width


def test_few_networks_are_enough_where_the_runtime_tells_what_kernels_take(mobile):
    """Each convolution takes a time drawn for it, which costs tell nothing of."""
    space, calls, whole = mobile
    rng = random.Random(5)

    def took(one):
        return 0.01 + sum(cost_of(one)[:2]) * random.Random(str(one)).uniform(1, 2) / 1e7

    def made():
        genotype = sample(space, rng)
        found = whole(genotype)
        ms = 0.2 + sum(number * took(one) for one, number in found.items())
        kernels = [
            Kernel(
                one.operation.partition(" of ")[0],
                inside(one),
                one.shape,
                took(one) / ms,
            )
            for one, number in found.items()
            if "x" in one.operation
            for _ in range(number)
        ]
        return Example(genotype, counts_of(space.plan(genotype), pruned=True), ms, kernels)

    known, others = [made() for _ in range(12)], [made() for _ in range(20)]
    off = {}
    for timed in (False, True):
        model = OnCalls(LeastSquares(cost_of, 1.0), calls, whole, timed=timed)
        fitted = model.fit(known)
        off[model.name] = sum(abs(fitted(e.genotype, e.counts) / e.ms - 1) for e in others) / 20
    plain, told = off.values()
    assert told < 0.01 and plain > 3 * told
    names = ("and costs, ridge 1", "and what the runtime says of them, ridge 1")
    assert list(off) == [f"least squares on counts of kernel calls {name}" for name in names]
