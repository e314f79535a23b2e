"""RAM of int8 networks: published arenas, and the rules against brute force."""

import itertools
import random

import microcontrollers as published
import pytest

from nascli.core.plan import IMAGES
from nascli.costs.arena import Tensor, arena, bound, fullest, offsets, tensors
from nascli.costs.int8 import Int8Network, Step, Writer
from nascli.costs.int8_layers import int8_network


def resnet8():
    return int8_network(published.resnet([1, 1, 1], 10), published.CONVOLUTIONS)


# TensorFlow Lite Micro's interpreter on MLPerf Tiny's own files.
HEADS = [
    (resnet8, 49_152), (lambda: published.mobilenet(0.25, 2, 96), 73_728),
    (published.keywords, 16_000), (published.wake_word, 6_656), (published.toy_car, 768),
]  # fmt: skip


@pytest.mark.parametrize(("network", "head"), HEADS)
def test_plans_the_arena_of_the_interpreter(network, head):
    assert arena(network()) == head


def test_bounds_are_those_that_are_published():
    assert bound(resnet8()) == (48 * 1024, True)
    assert bound(published.mobilenet(0.25, 2, 96)) == (55_296, True)
    kib = [bound(published.mobilenet(w, 5, 224))[0] / 1024 for w in (0.25, 0.5, 1.0)]
    assert kib == [294, 588, 1176]


def drawn(seed, steps=6):
    """A random graph whose last step reads all that nobody else does."""
    rng = random.Random(seed)
    names, made = [IMAGES], []
    for number in range(steps - 1):
        reads = tuple(rng.sample(names, min(len(names), rng.choice((1, 1, 2)))))
        made.append(Step(f"s{number}", "", "conv", reads, (rng.randint(1, 40), 1, 1)))
        names.append(made[-1].name)
    read = {name for step in made for name in step.inputs}
    ends = tuple(name for name in names if name not in read)
    made.append(Step("last", "", "concatenate", ends, (rng.randint(1, 40), 1, 1)))
    return Int8Network((rng.randint(1, 40), 1, 1), tuple(made))


def peak_of(network, order):
    """The largest sum of tensors, written out."""
    there, most = {IMAGES: network.input_shape[0]}, 0
    for number, step in enumerate(order):
        if not set(step.inputs) <= there.keys():
            return None
        there[step.name] = step.bytes
        most = max(most, sum(there.values()))
        later = {read for after in order[number + 1 :] for read in after.inputs}
        there = {name: size for name, size in there.items() if name in later | {"last"}}
    return most


def test_the_bound_is_that_of_the_best_of_all_orders():
    better = 0
    for seed in range(40):
        network = drawn(seed)
        every = [peak_of(network, order) for order in itertools.permutations(network.steps)]
        assert bound(network) == (min(p for p in every if p is not None), True)
        assert fullest(network).bytes == peak_of(network, network.steps)
        better += bound(network)[0] < fullest(network).bytes
    assert better > 3


def test_the_fullest_moment_has_its_tensors_largest_first():
    write = Writer((1, 4, 4))
    first = write.conv(IMAGES, 3, 1)
    second = write.conv(first, 5, 1)
    found = fullest(write.network(write.add(write.conv(second, 3, 1), first)))
    assert (found.bytes, found.step.name) == ((3 + 5 + 3) * 16, "/2")
    assert found.largest[0][:2] == (second, 80)


def test_tensors_live_from_their_writer_to_their_last_reader():
    write = Writer((1, 4, 4))
    first = write.conv(IMAGES, 2, 1)
    second = write.conv(first, 3, 1)
    network = write.network(write.add(second, write.conv(first, 3, 1)))
    assert [(t.bytes, t.first, t.last) for t in tensors(network)] == [
        (16, 0, 1), (32, 1, 3), (48, 2, 4), (48, 3, 4), (48, 4, 4)
    ]  # fmt: skip


def test_of_equal_sizes_the_later_goes_first_and_sizes_are_rounded_to_16():
    found = [Tensor("a", 17, 0, 1), Tensor("b", 30, 1, 2), Tensor("c", 3, 2, 2)]
    assert [(t.name, offset, size) for t, offset, size in offsets(found)] == [
        ("b", 0, 32), ("a", 32, 32), ("c", 32, 16)
    ]  # fmt: skip


def test_the_first_gap_that_is_large_enough_is_taken():
    found = [
        Tensor("low", 96, 0, 9), Tensor("early", 80, 0, 1), Tensor("high", 64, 1, 9),
        Tensor("late", 48, 5, 6), Tensor("last", 32, 5, 6), Tensor("fourth", 16, 5, 6),
    ]  # fmt: skip
    # `early` ends at 176 and `high` stands above it; when it is gone, two fit where it was.
    assert {t.name: offset for t, offset, _ in offsets(found)} == {
        "low": 0, "early": 96, "high": 176, "late": 96, "last": 144, "fourth": 240
    }  # fmt: skip


def test_tensors_of_one_moment_never_share_a_byte():
    for seed in range(30):
        placed = offsets(tensors(drawn(seed, steps=20)))
        for (a, start, size), (b, other, rest) in itertools.combinations(placed, 2):
            if a.first <= b.last and b.first <= a.last:
                assert start + size <= other or other + rest <= start
