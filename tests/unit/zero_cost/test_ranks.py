from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy.stats import rankdata

from nascli.zero_cost.ranks import RANKED, Ranks, joined


def test_of_the_genotypes_of_a_population_it_is_the_published_aggregate() -> None:
    # AZ-NAS: sum of log(rankdata(scores) / number of networks)
    rng = random.Random(0)
    columns = {name: [rng.gauss(0, 1) for _ in range(9)] for name in ("a", "b")}
    ranks = np.stack([rankdata(values) for values in columns.values()])
    for number in range(9):
        others = {name: v[:number] + v[number + 1 :] for name, v in columns.items()}
        ends = {rank for rank in ranks[:, number] if rank in (1, 9)}
        expected = float(np.log(ranks[:, number] / 9).sum())
        assert joined(ranks[:, number], 9) == pytest.approx(expected)
        if not ends:  # inside, a rank lies in the straight line between its two neighbours' ranks
            found = Ranks(others)({name: v[number] for name, v in columns.items()})
            assert abs(found - expected) < sum(math.log(r / (r - 1)) for r in ranks[:, number])


def test_an_equal_one_is_half_above() -> None:
    ranks = Ranks({"a": [0.0, 1.0, 1.0, 3.0]})
    assert ranks({"a": 1.0}) == pytest.approx(math.log(3 / 5))  # one below, two equal
    assert ranks({"a": 2.0}) == pytest.approx(math.log(3.75 / 5))  # halfway to 4.5
    assert ranks({"a": 0.0}) == pytest.approx(math.log(1.5 / 5))


def test_order_goes_on_beyond_the_ends() -> None:
    ranks = Ranks({"a": [0.0, 1.0, 3.0]})
    found = [ranks({"a": value}) for value in (-9.0, -1.0, 0.0, 1.0, 3.0, 4.0, 9.0)]
    assert found == sorted(found) and len(set(found)) == 7
    assert math.log(1 / 4) < found[0] and found[-1] < 0


def test_equal_references_still_have_two_sides() -> None:
    ranks = Ranks({"a": [5.0, 5.0]})
    assert ranks({"a": 4.0}) < ranks({"a": 5.0}) < ranks({"a": 6.0})


def test_one_bad_rank_weighs_more_than_a_good_one() -> None:
    reference = list(map(float, range(9)))
    ranks = Ranks({"a": reference, "b": reference})
    assert ranks({"a": 4.0, "b": 4.0}) > ranks({"a": 8.0, "b": 0.0})


def test_every_sum_of_ranks_is_of_known_scores() -> None:
    from nascli.zero_cost import SCORES

    known = {*SCORES, "params", "macs", "live_params", "live_macs"}
    assert all(known.issuperset(scores) for scores in RANKED.values())
