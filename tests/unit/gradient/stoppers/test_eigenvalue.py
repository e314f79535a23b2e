import pytest

from nascli.core.fault import Fault
from nascli.gradient.stoppers.eigenvalue import Eigenvalue


def stopped_at(values, **settings):
    """The first epoch, from 1, at which it stops; None if it never does."""
    stopper = Eigenvalue(None, **settings)
    for epoch, value in enumerate(values, start=1):
        if stopper.stops(epoch, lambda value=value: value):
            return epoch
    return None


def test_it_stops_when_the_average_has_risen_by_more_than_a_third():
    assert stopped_at([1.0, 1.0, 1.0, 1.0, 2.0, 9.0], window=2) == 5  # 1 < 0.75 * 1.5
    assert stopped_at([1.0, 1.2, 1.3, 1.4, 1.5, 1.6], window=2) is None  # each more than 3/4


def test_averages_forgive_one_sharp_epoch():
    values = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.9, 1.0, 1.0]
    assert stopped_at(values, window=3) is None  # 1 > 0.75 * 1.3
    assert stopped_at(values, window=1) == 7


def test_it_needs_two_windows():
    assert stopped_at([1.0, 9.0, 99.0], window=2) is None


def test_negative_eigenvalues_are_flat():
    assert stopped_at([-9.0, -3.0, -1.0, -0.1], window=1) is None


def test_a_ratio_of_zero_only_reads():
    assert stopped_at([1.0, 10.0, 100.0], window=1, ratio=0.0) is None
    stopper = Eigenvalue(None, window=1, ratio=0.0)
    stopper.stops(1, lambda: 4.5)
    assert stopper.readout() == {"eigenvalue": 4.5}


def test_the_answer_lies_a_window_back():
    assert Eigenvalue(None, window=3).back == 3


def test_state_goes_there_and_back():
    first, again = Eigenvalue(None, window=1), Eigenvalue(None, window=1)
    first.stops(1, lambda: 1.0)
    again.load_state_dict(first.state_dict())
    assert again.stops(2, lambda: 2.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"window": 0}, "strategy.stopper.window is 0; it must be at least 1 epoch"),
        ({"ratio": 1.5}, "strategy.stopper.ratio is 1.5; it must be from 0 to 1"),
    ],
)
def test_values_out_of_range_are_faults(settings, says):
    with pytest.raises(Fault, match=says):
        Eigenvalue(None, **settings)
