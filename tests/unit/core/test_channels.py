"""How channels and layers are rounded."""

import pytest

from nascli.core.channels import DEPTHS, deeper, odd


@pytest.mark.parametrize(
    ("layers", "factor", "found"),
    [(10, 1.1, (11, 11)), (8, 1.3, (11, 10)), (3, 1.5, (5, 5)), (1, 0.2, (1, 1)), (4, 2, (8, 8))],
)
def test_layers_are_rounded_up_or_to_the_nearest(layers, factor, found):
    assert DEPTHS == ("up", "nearest")
    assert tuple(deeper(layers, factor, rule) for rule in DEPTHS) == found


def test_a_kernel_is_an_odd_number_up_to_99():
    assert [value for value in range(-3, 103) if not odd(value)] == list(range(1, 100, 2))
    wrong = (None, 3.0, "3", True, [3])
    assert {odd(value) for value in wrong} == {"an odd number of pixels up to 99"}
