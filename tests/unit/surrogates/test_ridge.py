"""Against the posterior and the evidence written out in full."""

import math
import random

import numpy as np
import pytest

from nascli.core import space as moves
from nascli.surrogates.ridge import Ridge


def drawn(space, count):
    rng = random.Random(0)
    return [moves.sample(space, rng) for _ in range(count)]


def features(space, genotypes, pairs):
    """Options, then pairs of options of two decisions; one genotype at a time."""
    rows = []
    for genotype in genotypes:
        chosen = space.canonical(genotype).choices.items()
        names = [(d, o) for d, allowed in space.decisions.items() for o in allowed]
        row = [float(name in chosen) for name in names]
        if pairs:
            row += [
                float(a in chosen and b in chosen)
                for n, a in enumerate(names)
                for b in names[n + 1 :]
                if a[0] != b[0]
            ]
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("pairs", [True, False])
def test_posterior_and_evidence_as_written_out(toy, pairs):
    known = drawn(toy, 9)
    everything = [moves.at(toy, number) for number in range(12)]
    values = np.random.default_rng(0).normal(60, 3, size=9)
    ridge = Ridge(toy, 0, pairs=pairs)
    ridge.fit(known, values)
    means, deviations = ridge.predict(tuple(everything))

    inner, outer = features(toy, known, pairs), features(toy, everything, pairs)
    centre = inner.mean(axis=0)
    inner, outer = inner - centre, outer - centre
    y, spread = (values - values.mean()) / values.std(), values.std()

    def evidence(ratio):  # log N(y; 0, prior (X X' + ratio I)) at its best prior
        within = inner @ inner.T + ratio * np.eye(9)
        prior = float(y @ np.linalg.solve(within, y)) / 9
        return -(9 * math.log(prior) + np.linalg.slogdet(within)[1]) / 2, prior

    ratio = max(np.logspace(-3, 4, 36), key=lambda r: evidence(r)[0])
    prior = evidence(ratio)[1]
    inverse = np.linalg.inv(inner.T @ inner / ratio + np.eye(inner.shape[1]))
    expected = outer @ (inverse @ inner.T @ y / ratio)
    variance = prior * np.einsum("ij,jk,ik->i", outer, inverse, outer)
    np.testing.assert_allclose(means, expected * spread + values.mean(), rtol=1e-6)
    np.testing.assert_allclose(deviations, np.sqrt(variance + 1e-12) * spread, atol=1e-3)
