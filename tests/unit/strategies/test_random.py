from collections import Counter
from dataclasses import replace

import pytest

from nascli.core import space as moves
from nascli.strategies.random import Random


@pytest.mark.parametrize("sizes", [(1,), (2,), (3, 2, 2), (5, 5, 5), (7, 11, 2, 3)])
def test_proposes_the_whole_space_exactly_once(problem, sizes):
    problem.space.decisions = {f"d{i}": tuple(map(str, range(n))) for i, n in enumerate(sizes)}
    strategy = Random(problem)
    seen = []
    while proposals := strategy.ask(7):
        seen += [proposal.genotype for proposal in proposals]
    assert len(seen) == len(set(seen)) == moves.size(problem.space)


def test_first_proposals_are_uniform_over_seeds(problem):
    counts = Counter(
        Random(replace(problem, seed=seed)).ask(1)[0].genotype for seed in range(6_000)
    )
    # binomial(6000, 1/12): 500 +- 21.4; five deviations
    assert len(counts) == 12
    assert all(abs(count - 500) < 107 for count in counts.values())


def test_pairs_are_uniform_over_seeds(problem):
    pairs = Counter()
    for seed in range(13_200):
        first, second = Random(replace(problem, seed=seed)).ask(2)
        pairs[first.genotype, second.genotype] += 1
    # 12 x 11 ordered pairs, 100 +- 10 each; five deviations
    assert len(pairs) == 132
    assert max(abs(count - 100) for count in pairs.values()) < 50


def test_a_space_too_large_to_list(problem):
    problem.space.decisions = {f"d{i}": tuple(map(str, range(10))) for i in range(40)}
    genotypes = [p.genotype for p in Random(problem).ask(500)]
    assert len(set(genotypes)) == 500
    digits = Counter(option for genotype in genotypes for option in genotype.options)
    # binomial(20000, 1/10): 2000 +- 42; five deviations
    assert all(abs(digits[str(d)] - 2000) < 212 for d in range(10))


def test_every_bit_of_a_number_longer_than_two_words_is_drawn(problem):
    """A space of 2^160 has halves of 80 bits: each decision is one bit of a genotype's number."""
    problem.space.decisions = {f"d{i}": ("0", "1") for i in range(160)}
    options = [p.genotype.options for p in Random(problem).ask(400)]
    ones = [sum(map(int, column)) for column in zip(*options, strict=True)]
    assert all(abs(count - 200) < 60 for count in ones)  # binomial(400, 1/2): 200 +- 10; six


def test_goes_on_after_its_state(problem):
    strategy, again = Random(problem), Random(problem)
    strategy.ask(5)
    again.load_state_dict(strategy.state_dict())
    assert again.ask(3) == strategy.ask(3)
