"""Scalings: what their members are, and what is refused."""

from __future__ import annotations

import pytest
from fixtures import composed, options
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.scaling import Scale
from nascli.scalings.compound import Compound
from nascli.scalings.listed import Listed


@pytest.mark.parametrize("name", options("scaling"))
def test_a_family_grows_from_the_base(name):
    scaling = instantiate(composed(f"scaling={name}", verb="scale").scaling)
    first, *others = scaling.scales(224).values()
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
        (lambda: Listed({"a": [1, 2]}), "scaling.members.a is [1, 2]; it must have three numbers"),
        (lambda: Listed({"a": [1, 0, 3]}), "scaling.members.a is [1, 0, 3]"),
    ],
)
def test_what_makes_no_family_is_named(make, says):
    with pytest.raises(Fault) as fault:
        make()
    assert str(fault.value).startswith(says)
