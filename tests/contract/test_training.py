"""What every recipe keeps to; the YAML folder says which there are."""

import numpy as np
import pytest
import torch
from fixtures import TINY_SPACE, build, composed, options

from nascli.config import GIVEN
from nascli.core.space import at, size
from nascli.data.synthetic import Synthetic
from nascli.training.fit import fit

MOST = "darts_cifar10"  # the one recipe with an auxiliary head
PAIRS = [(space, MOST) for space in options("space")]
PAIRS += [
    (space, name)
    for name in options("training")
    for space in ("cell", "nasbench201")  # those that recipes have sizes for
    if name != MOST
]


@pytest.mark.parametrize(("space", "name"), PAIRS)
def test_trains_a_network_of_every_space(space, name):
    depth = {"cell": "cells", "nasbench201": "cells_per_stage"}.get(space)
    sizes = [f"++training.network.{GIVEN}.{key}=3" for key in ("channels", depth)]
    sizes = sizes if depth else TINY_SPACE[space]
    chosen = [f"training={name}", f"space={space}", "data=synthetic", "device=none"]
    config = composed(*chosen, *sizes)
    problem = build.stated(config)
    network = problem.space.network(at(problem.space, 4321 % size(problem.space)))
    train = problem.task.split("train").take(np.arange(32))
    (epoch,) = fit(network, train, None, problem.recipe, epochs=1)
    assert epoch.train.loss > 0
    assert isinstance(problem.task, Synthetic)


@pytest.mark.parametrize(
    ("space", "number"), [("cell", 4321), ("nasbench201", 4321), ("hierarchical", 25_709_817_481)]
)
def test_drop_path_takes_layers_away_and_makes_up_for_it(space, number, monkeypatch):
    """In a later epoch: its chance is 0 in the first. A mask of means is as if there were none."""
    chosen = [f"space={space}", "data=synthetic", "device=none", "training=short"]
    problem = build.stated(composed(*chosen, *TINY_SPACE[space]))
    torch.manual_seed(0)
    network = problem.space.network(at(problem.space, number % size(problem.space))).train()
    images = torch.randn(4, *problem.task.input_shape)

    def logits(fill):
        monkeypatch.setattr(torch.Tensor, "bernoulli_", fill)
        return network(images)

    whole = logits(torch.Tensor.fill_)
    network.drop_path = 0.75
    assert torch.allclose(logits(torch.Tensor.fill_), whole, atol=1e-5)
    assert not torch.allclose(logits(lambda mask, _: mask.zero_()), whole, atol=1e-2)
