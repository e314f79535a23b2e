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
from nascli.estimators.one_shot import OneShot
from nascli.estimators.relaxed import Relaxed
from nascli.gradient.edge_normalisation import EdgeNormalised
from nascli.relaxations.softmax import Softmax
from nascli.supernet.recalibration import recalibrate


def problem():
    task = Synthetic(images=240, size=8)
    space = instantiate(composed("space=nasbench201").space, _partial_=True)(
        task, channels=3, cells_per_stage=1
    )
    return Problem(space=space, task=task, recipe=None)


def accuracy(stated, mixture):
    supernet, train = stated.supernet, stated.task.split("train")
    recalibrate(supernet, mixture, [images for images, _ in batches(train, 10_000, "cpu")])
    ((images, labels),) = batches(stated.task.split("valid"), 10_000, "cpu")
    with torch.no_grad():
        right = supernet(images, mixture).argmax(1) == labels
    return pytest.approx(100 * right.double().mean().item())


def test_both_accuracies_are_those_of_recalibrated_mixtures_edges_included():
    stated = problem()
    supernet, genotype = stated.supernet, at(stated.space, 9_876)
    inner = Softmax(supernet, seed=0, scale=2.0)
    stated.relaxation = EdgeNormalised(inner, supernet, seed=1, scale=2.0)
    size = len(stated.task.split("train"))  # all in one batch: their order does not matter
    answer = Relaxed(stated, batch_size=size, recalibration_batches=1).estimate(Proposal(genotype))
    assert set(answer) == {"accuracy", "path_accuracy"}
    assert answer["accuracy"] == accuracy(stated, stated.relaxation.expected())
    assert answer["path_accuracy"] == accuracy(stated, supernet.path(genotype))


@pytest.mark.parametrize("make", [Relaxed, OneShot])
def test_what_the_search_reads_out_stands_beside_the_accuracy(make):
    stated = problem()
    stated.relaxation = Softmax(stated.supernet, seed=0)
    stated.readout = {"skips_cell": 4.0, "entropy": 0.5}
    answer = make(stated).estimate(Proposal(at(stated.space, 5)))
    assert answer["skips_cell"] == 4.0 and answer["entropy"] == 0.5
    assert set(answer) == {*make.metrics, "skips_cell", "entropy"}


def test_without_a_gradient_search_there_is_no_mixture():
    stated = problem()
    with pytest.raises(Fault, match="scores what a gradient search trains"):
        Relaxed(stated).estimate(Proposal(at(stated.space, 5)))
