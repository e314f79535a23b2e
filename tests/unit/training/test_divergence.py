"""Trainings that diverge: back to the last good epoch, once, with a tenth of the step."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import nn

from nascli.core.fault import Stopped
from nascli.training.divergence import Caution, DivergedError, check, copied
from nascli.training.recipe import Recipe

RECIPE = Recipe(epochs=9, batch_size=4, learning_rate=8.0, gradient_clip=5.0)


class Averaged(NamedTuple):
    """What the state of a part of one's own may be."""

    mean: torch.Tensor
    count: int


class Epochs:
    """Its one weight becomes what `ends` says, try after try; what is no number has diverged."""

    def __init__(self, *ends):
        self.epoch, self.weight, self.ends = 0, torch.zeros(2), list(ends)
        self.scales = []

    def train(self, scale=1.0):
        self.scales.append(scale)
        self.weight += self.ends.pop(0)  # in place, as optimizers do
        check([self.weight], "toy")
        self.epoch += 1
        return f"{self.epoch} over"

    def state_dict(self):
        return {"epoch": self.epoch, "weight": self.weight}

    def load_state_dict(self, state):
        self.epoch, self.weight = state["epoch"], state["weight"]


def test_it_goes_back_to_the_last_good_epoch_and_on_with_a_tenth_of_the_step():
    said, trained = [], Epochs(1.0, math.nan, 2.0, 4.0)
    caution = Caution(RECIPE, said.append)
    assert [caution.epoch(trained) for _ in range(3)] == ["1 over", "2 over", "3 over"]
    assert trained.scales == [1.0, 1.0, 0.1, 0.1]
    assert trained.weight.tolist() == [7.0, 7.0]
    assert said == [
        "epoch 2 diverged (the largest weight of the toy is nan): going back to the end of epoch "
        "1, with a tenth of the step"
    ]


def test_the_second_time_it_stops_where_it_was_good_and_says_what_to_change():
    trained = Epochs(1.0, math.inf, 2.0, -math.inf)
    caution = Caution(RECIPE, lambda _: None, alphas=True)
    caution.epoch(trained)
    caution.epoch(trained)
    with pytest.raises(Stopped) as stopped:
        caution.epoch(trained)
    assert str(stopped.value) == (
        "epoch 3 diverged again, with a tenth of the step (the largest weight of the toy is inf); "
        "start a new run with a smaller training.learning_rate (it is 8), a smaller "
        "training.architecture.learning_rate (it is 0.0003) or a smaller training.gradient_clip "
        "(it is 5)"
    )
    assert (trained.epoch, trained.weight.tolist()) == (2, [3.0, 3.0])
    assert caution.state_dict() == {"scale": 0.1, "before": None}


def test_what_it_goes_back_to_is_as_good_the_second_time_in_an_epoch():
    trained, caution = Epochs(1.0, math.nan, math.inf), Caution(RECIPE, lambda _: None)
    caution.epoch(trained)
    with pytest.raises(Stopped):
        caution.epoch(trained)
    assert (trained.epoch, trained.weight.tolist()) == (1, [1.0, 1.0])


def test_once_is_for_a_whole_run_over_resumes():
    trained, again = Epochs(math.nan, 1.0, math.nan), Caution(RECIPE, lambda _: None)
    caution = Caution(RECIPE, lambda _: None)
    caution.epoch(trained)
    again.load_state_dict(caution.state_dict())
    with pytest.raises(Stopped, match="again, with a tenth of the step"):
        again.epoch(trained)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.1e6])
def test_one_weight_beyond_all_bounds_is_enough(value):
    weights = [torch.ones(3), torch.ones(2, 2, dtype=torch.bfloat16), torch.zeros(())]
    check(weights, "toy")
    weights[1][1, 0] = value
    with pytest.raises(DivergedError, match="the largest weight of the toy is"):
        check(weights, "toy")


def test_weights_of_some_size_are_left_alone():
    check([torch.tensor([9e5, -9e5])], "toy")
    check([], "toy")


def test_a_copied_state_has_tensors_of_its_own_and_the_version_of_its_module():
    norm, momentum = nn.BatchNorm1d(2), torch.ones(1)
    found = copied({"norm": norm.state_dict(), "groups": [{"rate": 0.1, "momenta": (momentum,)}]})
    norm.running_mean.add_(1)
    momentum.add_(1)
    assert found["norm"]["running_mean"].tolist() == [0, 0]
    assert found["norm"]._metadata == norm.state_dict()._metadata
    assert found["groups"] == [{"rate": 0.1, "momenta": (torch.ones(1),)}]
    named = Averaged(torch.zeros(1), 3)
    assert copied([named])[0] == named
    assert copied([named])[0].mean is not named.mean
