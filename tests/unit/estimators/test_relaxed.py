from __future__ import annotations

import pytest
import torch
from fixtures import composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.space import at
from nascli.core.trial import Proposal
from nascli.data.batches import batches
from nascli.data.synthetic import Synthetic
from nascli.estimators.relaxed import Relaxed
from nascli.gradient.edge_normalisation import EdgeNormalised
from nascli.relaxations.softmax import Softmax
from nascli.supernet.recalibration import recalibrate
from nascli.supernet.shared import Shared


def problem():
    task = Synthetic(images=240, size=8)
    space = instantiate(composed("space=nasbench201").space, _partial_=True)(
        task, channels=3, cells_per_stage=1
    )
    return Problem(space=space, task=task, recipe=None)


def accuracy(stated, shared, mixture):
    supernet, train = shared.supernet, stated.task.split("train")
    recalibrate(supernet, mixture, [images for images, _ in batches(train, 10_000, "cpu")])
    ((images, labels),) = batches(stated.task.split("valid"), 10_000, "cpu")
    with torch.no_grad():
        right = supernet(images, mixture).argmax(1) == labels
    return pytest.approx(100 * right.double().mean().item())


def test_both_accuracies_are_those_of_recalibrated_mixtures_edges_included():
    stated = problem()
    shared, genotype = Shared(stated), at(stated.space, 9_876)
    supernet = shared.supernet
    inner = Softmax(supernet, seed=0, scale=2.0)
    shared.relaxation = EdgeNormalised(inner, supernet, seed=1, scale=2.0)
    size = len(stated.task.split("train"))  # all in one batch: their order does not matter
    estimator = Relaxed(stated, shared, batch_size=size, recalibration_batches=1)
    answer = estimator.estimate(Proposal(genotype))
    assert set(answer) == {"accuracy", "path_accuracy"}
    assert answer["accuracy"] == accuracy(stated, shared, shared.relaxation.expected())
    assert answer["path_accuracy"] == accuracy(stated, shared, supernet.path(genotype))


def test_without_a_gradient_search_there_is_no_mixture():
    stated = problem()
    with pytest.raises(Fault, match="scores what a gradient search with a relaxation trains"):
        Relaxed(stated, Shared(stated)).estimate(Proposal(at(stated.space, 5)))
