import numpy as np
import pytest

from nascli.core.fault import Fault
from nascli.strategies.acquisition import Acquisition, expected_improvement

MEANS, DEVIATIONS = np.array([0.0, 1.0, -2.0]), np.array([1.0, 0.5, 3.0])


def worth(name, kappa=2.0, best=0.5):
    rng = np.random.default_rng(0)
    return Acquisition(name, kappa)(MEANS, DEVIATIONS, best, rng)


def test_bound_and_mean():
    assert worth("bound").tolist() == [2.0, 2.0, 4.0]
    assert worth("bound", kappa=0.5).tolist() == [0.5, 1.25, -0.5]
    assert worth("mean").tolist() == MEANS.tolist()


def test_improvement_is_the_mean_of_what_is_gained():
    """The integral of max(0, v - best) over the normal density, by the trapezoidal rule."""
    for mean, deviation, found in zip(MEANS, DEVIATIONS, worth("improvement"), strict=True):
        v = np.linspace(mean - 10 * deviation, mean + 10 * deviation, 200_001)
        density = np.exp(-(((v - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
        gained = np.maximum(0, v - 0.5) * density
        integral = float(((gained[1:] + gained[:-1]) / 2 * np.diff(v)).sum())
        assert found == pytest.approx(integral, abs=1e-7)
    sure = expected_improvement(np.array([1.0, 0.2]), np.zeros(2), 0.5)
    assert sure == pytest.approx([0.5, 0.0])


def test_thompson_draws_each_by_itself():
    rng, rule = np.random.default_rng(0), Acquisition("thompson", 2.0)
    draws = np.array([rule(MEANS, DEVIATIONS, 0.5, rng) for _ in range(4000)])
    # five standard errors
    assert np.abs(draws.mean(axis=0) - MEANS).max() < 5 * 3 / 4000**0.5
    assert np.abs(draws.std(axis=0) / DEVIATIONS - 1).max() < 5 / 8000**0.5
    assert np.abs(np.corrcoef(draws.T) - np.eye(3)).max() < 5 / 4000**0.5


def test_senseless_settings_are_faults():
    with pytest.raises(Fault, match="acquisition 'ucb' is not known; allowed: bound, improvement"):
        Acquisition("ucb", 2.0)
    with pytest.raises(Fault, match=r"kappa is -1.0; it must be at least 0"):
        Acquisition("bound", -1.0)
