"""Edges that weigh more count for more of the expected cost (PC-DARTS beside FBNet)."""

import torch
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.problem import Problem
from nascli.core.supernet import Mixture
from nascli.gradient.penalties.expected_cost import ExpectedCost
from nascli.relaxations.softmax import Softmax


def test_an_expensive_option_costs_as_its_edge_weighs_where_a_node_chooses_among_edges():
    make = instantiate(composed("space=cell").space, _partial_=True)
    task = ToyTask(input_shape=(3, 8, 8))
    made = Problem(space=make(task, channels=4, cells=3, nodes=2), task=task, recipe=None)
    supernet = made.space.supernet()
    names = [choice.name for choice in supernet.choices]
    row, options = names.index("normal/3<-2"), supernet.choices[0].options
    weights = torch.zeros(len(names), len(options))
    weights[:, options.index("skip_connect")] = 1.0
    weights[row] = 0.0
    weights[row, options.index("sep_conv_5x5")] = 1.0
    penalty, loss = ExpectedCost(made, metric="macs"), torch.tensor(2.0)
    relaxation, found = Softmax(supernet, seed=0), []
    nodes = [(edge.group, edge.target) for edge in supernet.choices]
    alike = torch.tensor([1 / nodes.count(node) for node in nodes])
    for share in (0.1, 1 / 3, 0.8):  # of the three edges into the node, of which two stay
        edges = alike.clone()
        edges[[n for n, node in enumerate(nodes) if node == nodes[row]]] = (1 - share) / 2
        edges[row] = share
        found.append(float(penalty(loss, Mixture(weights, edges=edges), relaxation, 0.0)))
    assert found[0] < found[1] < found[2]
    assert abs(float(penalty(loss, Mixture(weights), relaxation, 0.0)) - found[1]) < 1e-5
