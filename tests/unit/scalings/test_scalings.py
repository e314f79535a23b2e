"""Scalings: what their members are, and what is refused."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from fixtures import composed, options
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.scaling import Scale, Searching
from nascli.scalings.compound import Compound
from nascli.scalings.grid import Grid
from nascli.scalings.listed import Listed


@pytest.mark.parametrize("name", options("scaling"))
def test_a_family_grows_from_the_base(name):
    scaling = instantiate(composed(f"scaling={name}", verb="scale").scaling)
    scales = scaling.scales(224)
    if isinstance(scaling, Searching):
        scales = scaling.families("alpha=1.2 beta=1.1 gamma=1.15", 224)["compound"]
    first, *others = scales.values()
    assert first == Scale(1, 1, 224)
    for smaller, larger in zip((first, *others), others, strict=False):
        assert larger.width >= smaller.width
        assert larger.depth > smaller.depth
        assert larger.resolution > smaller.resolution


def test_compound_scaling_is_a_power_of_each_constant():
    scaling = Compound(alpha=2, beta=1.5, gamma=1.25, phi=[0, 1, 2, 0.5])
    assert scaling.scales(32) == {
        "phi=0": Scale(1, 1, 32),
        "phi=1": Scale(1.5, 2, 40),
        "phi=2": Scale(2.25, 4, 50),
        "phi=0.5": Scale(1.5**0.5, 2**0.5, 36),  # 32 x 1.118 = 35.8
    }
    rounded = Compound(phi=[3.5], digits=1).scales(224)["phi=3.5"]
    assert (rounded.width, rounded.depth) == (1.4, 1.9)  # 1.396 and 1.893


def test_candidates_double_the_multiply_adds():
    values = {
        "alpha": [Fraction(n, 10) for n in range(10, 21)],
        "beta": [Fraction(n, 10) for n in range(10, 15)],
        "gamma": [Fraction(n, 20) for n in range(20, 29)],
    }
    expected = {
        (float(a), float(b), float(g)): a * b**2 * g**2 - 2
        for a, b, g in itertools.product(*values.values())
        if abs(a * b**2 * g**2 - 2) <= Fraction(1, 10)  # Tan & Le 2019, equation 3
    }
    grid = instantiate(composed("scaling=grid", verb="scale").scaling)
    found = [(one.alpha, one.beta, one.gamma) for one in grid.candidates.values()]
    assert len(found) == len(expected) and set(found) == set(expected)
    assert (1.2, 1.1, 1.15) in found  # the published constants, of product 1.92
    assert found[0] == (2, 1, 1)
    far = [abs(expected[one]) for one in found]
    assert far == sorted(far)
    published = grid.scales(224)["alpha=1.2 beta=1.1 gamma=1.15"]
    assert published == Scale(1.1, 1.2, 258)  # 224 x 1.15 = 257.6


def test_families_of_a_grid_grow_as_fast_in_one_way_alone():
    grid = Grid([1, 1.5], [1, 1.2], [1, 1.2], product=2.25, tolerance=0.2, phi=[0, 2], trained=[0])
    families = grid.families("alpha=1.5 beta=1 gamma=1.2", 10)
    assert families == {
        "compound": {"phi=0": Scale(1, 1, 10), "phi=2": Scale(1, 2.25, 14)},
        "depth": {"phi=0": Scale(1, 1, 10), "phi=2": Scale(1, 2.25**2, 10)},
        "width": {"phi=0": Scale(1, 1, 10), "phi=2": Scale(2.25, 1, 10)},
        "resolution": {"phi=0": Scale(1, 1, 10), "phi=2": Scale(1, 1, 22)},  # 22.5, to even
    }
    assert grid.trained == ("phi=0",)
    flat = Grid([1, 2], [1, 1.4], [1])
    assert list(flat.families("alpha=2 beta=1 gamma=1", 8)) == ["compound", "width"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: Compound(alpha=0.9, gamma=0),
            "scaling.alpha is 0.9; it must be 1 or more\nscaling.g",
        ),
        (lambda: Compound(phi=[]), "scaling.phi is empty"),
        (lambda: Compound(phi=[-1, 2]), "scaling.phi has -1; it must be 0 or more"),
        (lambda: Listed({}), "scaling.members is empty"),
        (lambda: Grid([], [0.5], [1]), "scaling.alpha is empty; give [1] to keep it\nscaling.beta"),
        (
            lambda: Grid([1, 1.5], [1], [1]),
            "no alpha, beta, gamma of scaling have alpha beta^2 gamma^2 within "
            "scaling.tolerance=0.1 of scaling.product=2; the nearest is alpha=1.5 beta=1 gamma=1 "
            "with 1.5: give more values",
        ),
        (lambda: Grid([2], [1], [1], product=1), "scaling.product is 1; it must be above 1"),
        (lambda: Grid([2], [1], [1], tolerance=-1), "scaling.tolerance is -1; it must be 0 or"),
        (lambda: Grid([2], [1], [1], trained=[9]), "scaling.trained has 9, which is not in scal"),
        (lambda: Listed({"a": [1, 2]}), "scaling.members.a is [1, 2]; it must have three numbers"),
        (lambda: Listed({"a": [1, 0, 3]}), "scaling.members.a is [1, 0, 3]"),
    ],
)
def test_what_makes_no_family_is_named(make, says):
    with pytest.raises(Fault) as fault:
        make()
    assert str(fault.value).startswith(says)
