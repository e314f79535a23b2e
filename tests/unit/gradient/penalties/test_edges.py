"""Edges that weigh more count for more of the expected cost (PC-DARTS beside FBNet)."""

import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.problem import Problem
from nascli.core.supernet import Mixture
from nascli.gradient.penalties.expected_cost import ExpectedCost
from nascli.relaxations.softmax import Softmax


def test_an_expensive_option_costs_as_its_edge_weighs():
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    task = ToyTask(input_shape=(3, 8, 8))
    made = Problem(space=make(task, channels=4, cells_per_stage=1), task=task, recipe=None)
    supernet = made.space.supernet()
    relaxation = Softmax(supernet, seed=0)
    weights = torch.zeros(6, 5)
    weights[:, 1] = 1.0  # skip connections
    weights[0] = 0.0
    weights[0, supernet.choices[0].options.index("nor_conv_3x3")] = 1.0
    penalty, loss = ExpectedCost(made, metric="macs"), torch.tensor(2.0)
    found = []
    for factor in (0.5, 1.0, 2.0):
        edges = torch.ones(6)
        edges[0] = factor
        found.append(float(penalty(loss, Mixture(weights, edges=edges), relaxation, 0.0)))
    assert found[0] < found[1] < found[2]
    plain = float(penalty(loss, Mixture(weights), relaxation, 0.0))
    assert abs(plain - found[1]) < 1e-6 * plain  # no factor is 1
