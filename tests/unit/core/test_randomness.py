"""The numbers here decide recorded histories: to change one is to change how they go on."""

import random

import numpy as np
import pytest

from nascli.core.randomness import array_generator, generator, seed_of


def test_a_seed_for_every_seed_and_names():
    seeds = {seed_of(seed, *names) for seed in (0, 1) for names in ((), ("a",), ("a", 1), (1, "a"))}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_seeds_are_those_of_earlier_versions():
    # blake2b of "(7, 'batches', 3)" in 4 bytes, little endian; b2sum -l 32 says the same
    assert seed_of(7, "batches", 3) == int.from_bytes(bytes.fromhex(BATCHES), "little")


BATCHES = "ecd2aeb6"


@pytest.mark.parametrize("name", ["evolution", "random", "survey", "audit", "reinforce"])
def test_strategies_draw_by_their_name_as_text(name):
    assert generator(7, name).random() == random.Random(f"7/{name}").random()


def test_other_generators_follow_from_the_seed():
    assert generator(7, "new", 1).random() == random.Random(seed_of(7, "new", 1)).random()
    found, expected = array_generator(7, "new"), np.random.default_rng(seed_of(7, "new"))
    assert found.random() == expected.random()


def test_surrogates_draw_by_how_many_values_they_know():
    assert seed_of(7, "mlp", 20) == seed_of(7, "graph", 20) == hash((7, 20)) % 2**63
    sequence = np.random.SeedSequence((7, 20))
    assert seed_of(7, "forest", 20) == sequence.generate_state(1)[0]
    assert array_generator(7, "boosting", 20).random() == np.random.default_rng(sequence).random()
