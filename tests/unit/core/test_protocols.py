from functools import partial

import pytest

from nascli.core import protocols
from nascli.core.device import Device
from nascli.core.estimator import Estimator
from nascli.core.fault import Fault
from nascli.core.space import Planned, SearchSpace
from nascli.core.strategy import Strategy
from nascli.core.surrogate import Surrogate


class Mute:
    """Lacks what is asked of a strategy at the end."""

    def ask(self, limit):
        return []

    def tell(self, trials):
        pass

    state_dict = None

    def load_state_dict(self, state):
        pass


def test_what_a_component_lacks_is_named_with_its_parameters():
    with pytest.raises(Fault) as caught:
        protocols.check(Mute(), Strategy, "strategy")
    assert str(caught.value) == (
        "strategy: Mute has no recommend(history), no state_dict(); what it needs is listed in "
        "nascli.core.strategy.Strategy"
    )


def test_attributes_and_properties_are_asked_for_too():
    class Score:
        def estimate(self, proposal):
            return {}

    score = Score()
    with pytest.raises(Fault, match="estimator: Score has no metrics, no meaning; "):
        protocols.check(score, Estimator, "estimator")
    score.metrics, score.meaning = ("accuracy",), ""  # on the instance is as good
    assert protocols.check(score, Estimator, "estimator") is score


def test_what_a_protocol_extends_counts_and_what_is_spared_does_not(toy):
    with pytest.raises(Fault, match=r"space: ToySpace has no plan\(genotype\), no taken"):
        protocols.check(toy, Planned, "space")
    assert protocols.check(toy, SearchSpace, "space") is toy
    protocols.check(toy, Planned, "space", spared=("plan", "taken"))


def test_of_a_class_and_a_partial_of_one_the_methods_are_known():
    for part in (Mute, partial(Mute, 3)):
        with pytest.raises(Fault, match=r"surrogate: Mute has no fit\(genotypes, values\), no pre"):
            protocols.check(part, Surrogate, "surrogate")
    part = partial(lambda: Mute())  # nothing can be told of what it will give
    assert protocols.check(part, Surrogate, "surrogate") is part


def test_something_else_altogether_is_no_component():
    with pytest.raises(Fault, match="device: NoneType has no name, no latency"):
        protocols.check(None, Device, "device")
