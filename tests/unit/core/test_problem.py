import pytest

from nascli.core.fault import Fault
from nascli.core.problem import Problem


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("loss", "problem.goal.loss"),
        ("constraints", "problem.goal.constraints"),
        ("warn", "problem.listener.warn"),
        ("supernet", "shared.supernet, with the trait weight_sharing"),
    ],
)
def test_what_is_elsewhere_today_is_said(problem: Problem, name, write):
    with pytest.raises(Fault) as caught:
        getattr(problem, name)
    assert str(caught.value) == f"a problem has no {name} any more: write {write}"
    assert not hasattr(problem, name)  # so that a component may ask which version this is


def test_what_never_was_is_an_attribute_error(problem: Problem):
    with pytest.raises(
        AttributeError, match="'Problem' object has no attribute 'nothing'"
    ) as caught:
        problem.nothing  # noqa: B018
    assert not isinstance(caught.value, Fault)
