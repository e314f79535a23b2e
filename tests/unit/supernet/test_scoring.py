"""Scores of many paths at once, against one after another; networks taken out, against paths."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from elastic import chain
from fixtures import Looks, ToyTask, composed
from hydra.utils import instantiate

from nascli.core import space as moves
from nascli.core.budget import OutOfTime
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.space import at
from nascli.data.batches import batches, seeded
from nascli.data.synthetic import Synthetic
from nascli.samplers.uniform import Uniform
from nascli.supernet.path_training import PathTraining
from nascli.supernet.recalibration import recalibrate
from nascli.supernet.scoring import Scoring
from nascli.supernet.shared import Shared
from nascli.training.augmentation import augmentation
from nascli.training.recipe import Recipe

SIZES = {
    "nasbench201": {"channels": 3, "cells_per_stage": 2},
    "mobile": {"widths": [4, 6], "depths": [1, 3], "stem_width": 4, "head_width": 8},
    "cell": {"channels": 4, "cells": 3, "nodes": 2},
    "once_for_all": {
        "resolutions": [6, 8], "widths": [4, 6], "strides": [1, 2, 2],
        "activations": ["relu"] * 2, "squeezes": ["none"] * 2,
    },
}  # fmt: skip


def space(name):
    if name == "chain":
        return chain()
    made = instantiate(composed(f"space={name}").space, _partial_=True)
    return made(ToyTask(input_shape=(3, 8, 8)), **SIZES[name])


def scoring(name, images=None, recalibration_images="plain", **problem):
    made = space(name)
    stated = Problem(space=made, task=Synthetic(images=240, size=8), recipe=None)
    shared = Shared(replace(stated, **problem))
    scores = Scoring(replace(stated, **problem), shared, 16, 2, images, recalibration_images)
    return made, shared.supernet, scores


def drawn(made, count):
    rng = random.Random(1)
    return [moves.sample(made, rng) for _ in range(count)]


@pytest.mark.parametrize("name", ["chain", "nasbench201", "mobile", "cell", "once_for_all"])
def test_many_at_once_score_as_one_after_another(name):
    made, supernet, scores = scoring(name)
    learn(supernet, scores._problem.task, drawn(made, 3))
    genotypes = drawn(made, 10)
    mixtures = [supernet.path(g) for g in (*genotypes, genotypes[3])]
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    supernet.train()
    found = scores.accuracies(mixtures)
    assert supernet.training
    after = supernet.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert [n for _, n in found] == [len(scores._problem.task.split("valid"))] * 11
    assert [a for a, _ in found] == [scores.accuracy(mixture) for mixture in mixtures]
    assert len({a for a, _ in found}) > 2  # the case is not a trivial one


def test_scores_are_those_of_a_plain_loop():
    made, supernet, scores = scoring("chain")
    task = scores._problem.task
    stream = list(batches(task.split("valid"), 500, "cpu"))
    ((images, labels),) = stream
    for genotype in drawn(made, 4):
        mixture = supernet.path(genotype)
        recalibrate(supernet, mixture, [images for images, _ in scores._train()])
        with torch.no_grad():
            right = (supernet(images, mixture).argmax(1) == labels).double().mean()
        ((found, _),) = scores.accuracies([mixture])
        assert found == pytest.approx(100 * float(right))


FRAMED = Recipe(epochs=1, batch_size=32, learning_rate=0.1, crop_padding=4)  # half of an image


def seen(supernet, work):
    """The mean pixel that the supernet reads in training mode, and in evaluation mode."""
    means = {True: [], False: []}
    hook = supernet.register_forward_pre_hook(
        lambda module, given: means[module.training].append(float(given[0].mean()))
    )
    work()
    hook.remove()
    return [sum(found) / len(found) if found else None for found in means.values()]


@pytest.mark.parametrize("estimator", ["one_shot", "relaxed"])
def test_by_default_statistics_come_from_images_as_they_are_trained_on(estimator):
    images = composed(f"estimator={estimator}").estimator.recalibration_images
    space, supernet, scores = scoring("nasbench201", recipe=FRAMED, recalibration_images=images)
    mixture = supernet.path(drawn(space, 1)[0])
    training = PathTraining(scores._problem, scores._shared, Uniform)
    trained, _ = seen(supernet, training.train)
    recalibrated, evaluated = seen(supernet, lambda: scores.accuracy(mixture))
    assert abs(recalibrated - trained) < abs(evaluated - trained) / 5


def test_a_path_scores_as_its_network_with_statistics_by_hand():
    space, supernet, scores = scoring(
        "nasbench201", recipe=FRAMED, recalibration_images="augmented"
    )
    task = scores._problem.task
    learn(supernet, task, drawn(space, 3))
    train, ((images, labels),) = task.split("train"), batches(task.split("valid"), 500, "cpu")
    found, plain = [], scoring("nasbench201")[2]
    for genotype in drawn(space, 6):
        network = supernet.network(genotype).train()
        for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.reset_running_stats()
            norm.momentum = None  # a mean in which all batches count alike
        augment = augmentation(FRAMED, train)
        drawing = seeded(scores._problem.seed, "scoring")
        with torch.no_grad():
            for batch, _ in batches(train, 16, "cpu", generator=drawing, limit=2, augment=augment):
                network(batch)
            right = (network.eval()(images).argmax(1) == labels).double().mean()
        found.append(scores.accuracy(supernet.path(genotype)))
        assert found[-1] == pytest.approx(100 * float(right))
    plain._shared.supernet.load_state_dict(supernet.state_dict())
    others = [plain.accuracy(supernet.path(genotype)) for genotype in drawn(space, 6)]
    assert found != others


def test_other_images_for_the_statistics_are_refused():
    with pytest.raises(Fault, match="recalibration_images is clean; it must be augmented or plain"):
        scoring("chain", recalibration_images="clean")


def test_what_paths_begin_with_alike_is_computed_once():
    made, supernet, scores = scoring("chain")
    first, second, third = made.decisions
    runs = {"body.0": 0, "body.1": 0, "body.3": 0}
    for name in runs:

        def count(_module, _inputs, _output, name=name):
            runs[name] += 1

        supernet.get_submodule(name).register_forward_hook(count)
    every = [at(made, number) for number in range(27)]
    random.Random(0).shuffle(every)
    scores.accuracies([supernet.path(genotype) for genotype in every])
    passes = 2 + -(-len(scores._problem.task.split("valid")) // 16)  # batches of each split
    assert runs == {"body.0": passes, "body.1": 3 * passes, "body.3": 27 * passes}
    assert len({first, second, third}) == 3


def test_the_best_of_a_race_are_fully_scored():
    made, task = space("chain"), Synthetic(images=3000, size=8)
    stated = Problem(space=made, task=task, recipe=None)
    shared = Shared(stated)
    learn(shared.supernet, task, [at(made, 0), at(made, 26), at(made, 14)])
    scores = Scoring(stated, shared, 64, 2)
    mixtures = [shared.supernet.path(at(made, number)) for number in range(27)]
    raced = scores.accuracies(mixtures, top=3)
    plain = scores.accuracies(mixtures)
    best = sorted(range(27), key=lambda n: -plain[n][0])
    assert any(images < len(task.split("valid")) for _, images in raced)  # some have left
    for number in best[:3]:
        assert raced[number] == plain[number]
    assert {*sorted(range(27), key=lambda n: -raced[n][0])[:3]} == {*best[:3]}


def learn(supernet, task, genotypes):
    """A few steps, so that paths differ."""
    supernet.train()
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        for images, labels in batches(task.split("train"), 60, "cpu", limit=4):
            for genotype in genotypes:
                optimizer.zero_grad()
                logits = supernet(images, supernet.path(genotype))
                torch.nn.functional.cross_entropy(logits, labels).backward()
                optimizer.step()


def test_images_are_drawn_once_and_the_whole_split_can_be_asked_for():
    made, supernet, scores = scoring("chain", images=10)
    mixture = supernet.path(at(made, 14))
    taken = scores._scored_on(whole=False)
    assert len(taken) == 10 and torch.equal(taken.labels, scores._scored_on(whole=False).labels)
    assert len(set(taken.labels.tolist())) > 1
    assert scores.accuracies([mixture])[0][1] == 10
    assert scores.accuracy(mixture) * 10 == pytest.approx(round(scores.accuracy(mixture) * 10))
    *_, all_of_them = scoring("chain")
    assert scores.accuracy(mixture, whole=True) == all_of_them.accuracy(mixture)
    with pytest.raises(Fault, match="estimator.images is 0; it must be at least 1"):
        scoring("chain", images=0)


def test_it_stops_when_the_time_is_over():
    made, supernet, scores = scoring("chain", budget=Looks(5))
    with pytest.raises(OutOfTime):
        scores.accuracies([supernet.path(genotype) for genotype in drawn(made, 10)])


@pytest.mark.parametrize("name", ["chain", "nasbench201", "mobile", "cell"])
def test_a_network_taken_out_says_what_its_path_says(name):
    made, supernet, _ = scoring(name)
    supernet.double()
    for parameter in supernet.parameters():  # scales and shifts are 1 and 0 at first
        parameter.data += 0.1 * torch.rand_like(parameter)
    images = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    # a batch norm behind a pool of DARTS's supernet is no layer
    pools = [g for g in drawn(made, 80) if name == "cell" and "pool" in str(g.options)]
    genotypes, told_apart = [g for g in drawn(made, 80) if g not in pools][:4], 0
    assert len(genotypes) == 4
    for genotype in genotypes:
        recalibrate(supernet, supernet.path(genotype), [images])
        network = supernet.network(genotype)
        assert not network.training
        with torch.no_grad():
            expected, found = supernet(images, supernet.path(genotype)), network(images)
        assert torch.allclose(found, expected, atol=1e-10)
        told_apart += float(expected.std(0).max()) > 1e-3
        assert all(p.requires_grad for p in network.parameters())
        next(network.parameters()).data.add_(1)  # it is a copy
        assert not torch.equal(next(network.parameters()), next(supernet.parameters()))
    assert told_apart >= 2  # images; a cell of `none` cannot
