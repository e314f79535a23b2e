import numpy as np

from nascli.core import space as moves
from nascli.core.genotype import Genotype
from nascli.surrogates.encodings import Encoding, Kept, Scale


def genotype(a, b, c):
    return Genotype.of("toy", {"a": a, "b": b, "c": c})


def test_one_hot_is_that_of_the_space(toy):
    everything = [moves.at(toy, number) for number in range(12)]
    encoding = Encoding(toy)
    expected = [moves.one_hot(toy, g) for g in everything]
    assert (encoding.one_hot(encoding.codes(everything)) == expected).all()


def test_pairs_are_products_of_options_of_two_decisions(toy):
    encoding = Encoding(toy)
    chosen = genotype("2", "0", "1")
    a, b, c = [0, 0, 1], [1, 0], [0, 1]
    products = [x * y for first, second in ((a, b), (a, c), (b, c)) for x in first for y in second]
    assert encoding.pairs(encoding.codes([chosen])).tolist() == [products]


def test_counts_join_decisions_that_offer_the_same(toy):
    encoding = Encoding(toy)
    rows = encoding.counts(encoding.codes([genotype("2", "1", "1"), genotype("0", "0", "1")]))
    # "a" alone offers 0, 1, 2; "b" and "c" both offer 0, 1
    assert rows.tolist() == [[0, 0, 1, 0, 2], [1, 0, 0, 1, 1]]


def test_canonical_codes_are_equal_for_equal_functions(toy):
    twins = [genotype("1", "0", "1"), genotype("1", "1", "0")]
    plain, canonical = Encoding(toy).codes(twins), Encoding(toy, canonical=True).codes(twins)
    assert plain[0].tolist() != plain[1].tolist()
    assert canonical[0].tolist() == canonical[1].tolist()


def test_only_the_same_tuple_is_not_encoded_again(toy):
    calls = []

    def encode(genotypes):
        calls.append(len(genotypes))
        return np.zeros((len(genotypes), 1))

    kept, pool = Kept(encode), (genotype("0", "0", "0"),)
    for asked in (pool, pool, list(pool), pool, (*pool, *pool), pool):
        kept(asked)
    assert calls == [1, 1, 2, 1]


def test_scale_goes_down_and_up():
    values = np.array([1.0, 3.0, 8.0])
    scale = Scale(values)
    down = scale.down(values)
    assert abs(down.mean()) < 1e-12
    assert abs(down.std() - 1) < 1e-12
    means, deviations = scale.up(down, np.ones(3))
    np.testing.assert_allclose(means, values)
    np.testing.assert_allclose(deviations, values.std())
    assert Scale(np.array([5.0, 5.0])).down(np.array([5.0])).tolist() == [0.0]
