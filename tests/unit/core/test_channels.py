"""How channels and layers are rounded."""

import pytest

from nascli.core.channels import DEPTHS, deeper


@pytest.mark.parametrize(
    ("layers", "factor", "found"),
    [(10, 1.1, (11, 11)), (8, 1.3, (11, 10)), (3, 1.5, (5, 5)), (1, 0.2, (1, 1)), (4, 2, (8, 8))],
)
def test_layers_are_rounded_up_or_to_the_nearest(layers, factor, found):
    assert DEPTHS == ("up", "nearest")
    assert tuple(deeper(layers, factor, rule) for rule in DEPTHS) == found
