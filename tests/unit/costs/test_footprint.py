"""What is proved of all networks of a space on a microcontroller, against networks of it."""

import random
from dataclasses import replace

import microcontrollers as published
import pytest
from fixtures import build, composed

from nascli.core.space import at, ends, sample, size
from nascli.costs.arena import fullest
from nascli.costs.footprint import Least, blocking, by_place, network_of
from nascli.costs.int8 import KIB

CHAIN = ["space=chain", "data=synthetic", "data.size=12", "space.options=[identity,mbconv_3x3_e3]"]
CELL = ["space=cell", "data=synthetic", "data.size=12"]
SIZES = ["space=once_for_all_small", "data=synthetic", "data.size=32"]
BENCH = ["space=nasbench201", "data=synthetic", "data.size=12"]


def space_of(words):
    return build.stated(composed(*words)).space


def networks(space, number=200):
    if size(space) <= number:
        genotypes = [at(space, index) for index in range(size(space))]
    else:
        rng = random.Random(1)
        genotypes = [sample(space, rng) for _ in range(number)]
    return [network_of(space, space.plan(genotype)) for genotype in genotypes]


def test_the_least_flash_of_a_chain_is_that_of_one_of_its_networks():
    space = space_of(CHAIN)
    least = Least(space).flash()
    assert least == min(network.flash_bytes for network in networks(space)) / KIB


@pytest.mark.parametrize("words", [CHAIN, CELL, BENCH, SIZES], ids=lambda words: words[0])
def test_no_network_is_below_what_is_proved(words):
    space = space_of(words)
    flash, ram = Least(space).flash(), Least(space).ram()
    assert ram is not None
    for network in networks(space):
        assert flash is None or network.flash_bytes / KIB >= flash
        assert fullest(network).bytes / KIB >= ram[0]


def test_of_a_space_of_sizes_the_smallest_network_is_the_bound():
    space = space_of(SIZES)
    network = network_of(space, space.plan(ends(space)[0]))
    assert Least(space).flash() == network.flash_bytes / KIB
    least, why = Least(space).ram()
    assert 0 < least <= fullest(network).bytes / KIB and why.endswith("of the smallest network")


def test_of_cells_flash_is_proved_and_of_ones_that_may_compute_nothing_it_is_not():
    assert Least(space_of(CELL)).flash() is not None
    assert Least(space_of(BENCH)).flash() is None


def test_the_ram_that_is_proved_names_the_layer():
    least, why = Least(space_of(CHAIN)).ram()
    # Behind 16x12x12 all options of the next layer make 32x6x6, the identity by a convolution.
    assert least == (16 * 144 + 32 * 36) / KIB
    assert why == "the least option of body.3 alone reads 2.25 and writes 1.125 KiB at once"


def test_an_input_that_an_addition_may_leave_out_is_not_proved_to_be_there():
    space = space_of(CELL)
    plan = space.plan()
    # Every node now keeps one of its inputs, which may come from either cell before.
    places = [place._replace(keep=1) if place.kind == "add" else place for place in plan.places]
    space.plan = lambda: replace(plan, places=tuple(places))
    assert Least(space).ram()[1].startswith("classifier alone")
    assert Least(space).flash() is None


def test_nothing_is_proved_without_an_open_plan_or_of_operations_of_ones_own():
    several = space_of(["space=mobile", "space.widths=[8,8,8,8,8,8,[8,16]]"])
    own = space_of(CHAIN)
    own.operations["mbconv_3x3_e3"] = space_of
    for space in (several, own):
        assert (Least(space).flash(), Least(space).ram()) == (None, None)


def test_what_places_take_adds_up_and_the_fullest_is_among_them():
    network = published.mobilenet(0.25, 2, 96)
    rows = by_place(network)
    assert [row["steps"] for row in rows[:2]] == ["conv 3x3", "depthwise 3x3, conv 1x1"]
    assert sum(row["flash_kib"] for row in rows) == pytest.approx(219_064 / KIB)
    # A depthwise and a 1x1 convolution of 8 channels to 16, and their biases.
    assert rows[1]["flash_kib"] == (8 * 9 + 4 * 8 + 8 * 16 + 4 * 16) / KIB
    assert max(row["held_kib"] for row in rows) == rows[1]["held_kib"] == 54


def test_the_moment_that_blocks_is_said_with_its_tensors():
    assert blocking(published.mobilenet(0.25, 2, 96)) == (
        "most is held at separable1 (conv 1x1): separable1 (conv 1x1) 36 KiB, "
        "separable1 (depthwise 3x3) 18 KiB"
    )
