"""The incremental process against the formulas written out."""

import math
import random

import numpy as np
import pytest

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.surrogates import gaussian_process
from nascli.surrogates.gaussian_process import GaussianProcess
from nascli.surrogates.graphs import Graph, graph_counts


@pytest.fixture
def wide(toy):
    toy.decisions = {"e": ("0", "1")} | {f"d{n}": ("x", "y", "z") for n in range(4)}
    return toy


def drawn(space, count, seed=0):
    rng = random.Random(seed)
    return [moves.sample(space, rng) for _ in range(count)]


def covariance(space, theta, first, second):
    """k(first, second), one pair at a time."""
    weights, lengths = np.exp(theta[:3]), np.exp(theta[3:6])
    a, b = space.canonical(first), space.canonical(second)
    differ = sum(x != y for x, y in zip(a.options, b.options, strict=True))
    written = sum(x != y for x, y in zip(first.options, second.options, strict=True))
    squares = 0
    for allowed in set(space.decisions.values()):
        same = [n for n, o in enumerate(space.decisions.values()) if o == allowed]
        for option in allowed:
            counts = [sum(g.options[n] == option for n in same) for g in (a, b)]
            squares += (counts[0] - counts[1]) ** 2
    distances = (differ, written, squares)
    return sum(w * math.exp(-d / n) for w, n, d in zip(weights, lengths, distances, strict=True))


def graph_covariance(space):
    """The same of canonical forms and graph counts."""
    graph, kept = Graph(space), {}

    def counts(form):
        if form not in kept:
            kept[form] = graph_counts(graph, graph([form]))[0]
        return kept[form]

    def covariance(_space, theta, first, second):
        forms = [space.canonical(genotype) for genotype in (first, second)]
        differ = sum(x != y for x, y in zip(*(form.options for form in forms), strict=True))
        squares = ((counts(forms[0]) - counts(forms[1])) ** 2).sum()
        parts = zip(np.exp(theta[:2]), np.exp(theta[2:4]), (differ, squares), strict=True)
        return sum(w * math.exp(-d / n) for w, n, d in parts)

    return covariance


def posterior(space, theta, known, values, asked, pending=(), covariance=covariance):
    """Equations 2.25 and 2.26 of Rasmussen and Williams, by a solver."""

    def matrix(rows, columns):
        return np.array([[covariance(space, theta, r, c) for c in columns] for r in rows])

    mean, deviation = values.mean(), values.std()
    noise = math.exp(theta[-1])
    within = matrix(known, known) + noise * np.eye(len(known))
    means = matrix(asked, known) @ np.linalg.solve(within, (values - mean) / deviation)
    both = [*known, *pending]
    within, across = matrix(both, both) + noise * np.eye(len(both)), matrix(asked, both)
    variance = np.diag(matrix(asked, asked) - across @ np.linalg.solve(within, across.T))
    return means * deviation + mean, np.sqrt(variance) * deviation


def theta(process):
    return np.array(process.state_dict()["theta"])


def test_posterior_as_written_out(wide):
    known, asked = drawn(wide, 30), tuple(drawn(wide, 12, seed=1))
    values = np.random.default_rng(0).normal(70, 5, size=30)
    process = GaussianProcess(wide, 0)
    for count in (3, 4, 11, 26, 27, 30):  # some with a new kernel, some by growing
        process.fit(known[:count], values[:count])
        means, deviations = process.predict(asked)
        expected = posterior(wide, theta(process), known[:count], values[:count], asked)
        np.testing.assert_allclose(means, expected[0], rtol=1e-4)
        np.testing.assert_allclose(deviations, expected[1], rtol=1e-3)


def test_posterior_over_graph_counts_as_written_out(wide):
    known, asked = drawn(wide, 14), tuple(drawn(wide, 6, seed=1))
    values = np.random.default_rng(0).normal(70, 5, size=14)
    process = GaussianProcess(wide, 0, distances="graph")
    by = graph_covariance(wide)
    for count in (3, 13, 14):  # the last by growing
        process.fit(known[:count], values[:count])
        given = known[:count], values[:count]
        expected = posterior(wide, theta(process), *given, asked, covariance=by)
        means, deviations = process.predict(asked)
        np.testing.assert_allclose(means, expected[0], rtol=1e-4)
        np.testing.assert_allclose(deviations, expected[1], rtol=1e-3)


def test_pending_lower_the_deviations_and_leave_no_trace(wide):
    known, pending, asked = drawn(wide, 12), drawn(wide, 3, seed=2), tuple(drawn(wide, 9, seed=1))
    values = np.random.default_rng(0).normal(size=12)
    process = GaussianProcess(wide, 0)
    process.fit(known, values)
    before = process.predict(asked)
    means, deviations = process.predict(asked, pending)
    expected = posterior(wide, theta(process), known, values, asked, pending)
    np.testing.assert_allclose(means, before[0])
    np.testing.assert_allclose(deviations, expected[1], rtol=1e-3)
    after = process.predict(asked)
    assert (after[0].tolist(), after[1].tolist()) == (before[0].tolist(), before[1].tolist())


def test_gradient_of_the_likelihood_by_differences(wide):
    known, values = drawn(wide, 15), np.random.default_rng(1).normal(size=15)
    places = GaussianProcess(wide, 0)._places(known)
    between = places.distances(places)
    at = np.random.default_rng(2).normal(-0.5, 0.5, size=7)

    def likelihood(theta):  # negative, without its constant (equation 2.30)
        kernel = [[covariance(wide, theta, a, b) for b in known] for a in known]
        within = np.array(kernel) + math.exp(theta[6]) * np.eye(15)
        return (values @ np.linalg.solve(within, values) + np.linalg.slogdet(within)[1]) / 2

    steps = 1e-5 * np.eye(7)
    expected = [(likelihood(at + step) - likelihood(at - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(gaussian_process._gradient(at, between, values), expected, rtol=1e-5)


def test_the_fit_ends_where_the_slope_of_the_posterior_is_flat(wide):
    known = drawn(wide, 40)
    values = np.array([sum(o == "x" for o in g.options) for g in known], dtype=float)
    values += np.random.default_rng(0).normal(0, 0.5, size=40)
    values = (values - values.mean()) / values.std()
    places, prior = (
        GaussianProcess(wide, 0)._places(known),
        gaussian_process._prior([2.0, 2.0, 4.0]),
    )
    between = places.distances(places)
    found = gaussian_process._maximise(between, values, prior)

    def slope(theta):
        pull = (theta - prior) / gaussian_process._spread(theta) ** 2
        return np.abs(gaussian_process._gradient(theta, between, values) + pull).max()

    assert slope(found) < 0.05 * slope(prior)


def test_values_without_noise_are_no_obstacle(wide):
    """The most probable noise is none at all; a least one keeps the covariance regular."""
    known = drawn(wide, 60)
    values = np.array([float(sum(o == "x" for o in g.options)) for g in known])
    process = GaussianProcess(wide, 0)
    process.fit(known, values)
    means, deviations = process.predict(tuple(known))
    np.testing.assert_allclose(means, values, atol=0.05)
    assert np.isfinite(deviations).all()


def test_the_kernel_is_fitted_when_there_are_growth_times_as_many(wide):
    known, values = drawn(wide, 30), np.random.default_rng(0).normal(size=30)
    process = GaussianProcess(wide, 0, growth=1.5)
    fitted = []
    for count in range(4, 31):
        process.fit(known[:count], values[:count])
        fitted.append(process.state_dict()["fitted"])
    assert sorted(set(fitted)) == [4, 6, 9, 14, 21]


def test_more_than_the_most_are_left_out(wide):
    known, asked = drawn(wide, 20), tuple(drawn(wide, 5, seed=1))
    values = np.random.default_rng(0).normal(size=20)
    short, capped = GaussianProcess(wide, 0), GaussianProcess(wide, 0, most=12)
    short.fit(known[:12], values[:12])
    capped.fit(known, values)
    assert short.predict(asked)[0].tolist() == capped.predict(asked)[0].tolist()


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"growth": 1.0}, "growth is 1.0; it must be above 1"),
        ({"most": 0}, "most is 0; it must"),
        ({"distances": "graphs"}, "distances 'graphs' is not known; allowed: decisions, graph"),
    ],
)
def test_senseless_settings_are_faults(wide, keys, text):
    with pytest.raises(Fault, match=text):
        GaussianProcess(wide, 0, **keys)
