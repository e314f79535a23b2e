"""What paths learn from, against the gradients of losses written out."""

from __future__ import annotations

import copy

import pytest
import torch
from elastic import elastic
from torch.nn.functional import cross_entropy

from nascli.core.space import at
from nascli.core.traits import Traits
from nascli.supernet.lessons import Lessons
from nascli.supernet.training import WeightTraining
from nascli.training.recipe import Recipe

RECIPE = Recipe(epochs=1, batch_size=8, learning_rate=0.5, momentum=0.9)


class Fixed:
    """A sampler of the same paths at every step."""

    def __init__(self, paths, distils="", stages=()):
        self.paths_, self.traits, self.stages = paths, Traits(distils=distils), stages

    def paths(self, progress):
        return self.paths_

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class InStages(Fixed):
    def stage(self, progress):
        return self.stages[int(progress * len(self.stages))]


def case(sampler=Fixed, **settings):
    torch.manual_seed(0)
    space, supernet = elastic()
    supernet.double()
    paths = [supernet.largest(), supernet.smallest(), at(space, 14)]
    batch = torch.randn(8, 3, 8, 8, dtype=torch.float64), torch.arange(8)
    training = WeightTraining(supernet, RECIPE, "cpu")
    return supernet, batch, paths, training, Lessons(sampler(paths, **settings), training, supernet)


def moved(supernet, batch, training, lessons, progress=0.0):
    """How far a step has moved every weight, by the learning rate."""
    before = [w.detach().clone() for w in training.weights]
    training.set_rate(1, 0, 0, 1)
    loss = training.descend(lessons.losses(batch, progress))
    return [(b - w.detach()) / 0.5 for b, w in zip(before, training.weights, strict=True)], loss


def gradients(supernet, loss):
    found = torch.autograd.grad(loss, list(supernet.parameters()), allow_unused=True)
    pairs = zip(found, supernet.parameters(), strict=True)
    return [torch.zeros_like(w) if g is None else g for g, w in pairs]


def same(found, expected):
    assert sum(float(e.abs().sum()) for e in expected) > 1
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other.detach(), atol=1e-12, rtol=1e-10)


def said(supernet, batch, path):
    return supernet(batch[0], supernet.path(path))


def soft_loss(logits, soft):
    """-sum_k p_k log q_k, the mean over images."""
    return -(soft * logits.log_softmax(1)).sum(1).mean()


def test_gradients_of_all_paths_are_summed_before_one_update():
    supernet, batch, paths, training, lessons = case()
    plain = copy.deepcopy(supernet)
    losses = [cross_entropy(said(plain, batch, path), batch[1]) for path in paths]
    found, loss = moved(supernet, batch, training, lessons)
    same(found, gradients(plain, sum(losses)))
    assert float(loss) == pytest.approx(sum(map(float, torch.stack(losses).detach())) / 3)


def test_in_place_the_others_learn_what_the_first_says_and_no_labels():
    supernet, batch, paths, training, lessons = case(distils="first")
    plain = copy.deepcopy(supernet)
    logits = [said(plain, batch, path) for path in paths]
    soft = logits[0].detach().softmax(1)
    loss = cross_entropy(logits[0], batch[1]) + sum(soft_loss(one, soft) for one in logits[1:])
    same(moved(supernet, batch, training, lessons)[0], gradients(plain, loss))


def in_stages():
    return case(InStages, distils="largest", stages=(None, *elastic()[1].stages))


def test_from_the_first_stage_on_all_learn_from_labels_and_the_largest_as_it_was():
    supernet, batch, paths, training, lessons = in_stages()
    labels_only = copy.deepcopy(supernet)
    loss = sum(cross_entropy(said(labels_only, batch, path), batch[1]) for path in paths)
    same(moved(supernet, batch, training, lessons, 0.0)[0], gradients(labels_only, loss))
    teacher = copy.deepcopy(supernet)
    with torch.no_grad():
        soft = said(teacher, batch, paths[0]).softmax(1)
    for _ in range(2):  # the teacher stays what it was while the supernet moves
        training.forget()
        plain = copy.deepcopy(supernet)
        logits = [said(plain, batch, path) for path in paths]
        loss = sum(cross_entropy(one, batch[1]) + soft_loss(one, soft) for one in logits)
        same(moved(supernet, batch, training, lessons, 0.4)[0], gradients(plain, loss))


def test_channels_are_sorted_once_before_a_stage_of_widths_and_momenta_forgotten():
    supernet, batch, _, training, lessons = in_stages()
    for progress, times in ((0.0, 0), (0.4, 0), (0.7, 1), (0.9, 1)):
        before = [training.optimizer.state[w]["momentum_buffer"].clone() for w in training.weights]
        list(lessons.losses(batch, progress))
        assert supernet.sorted == times
        after = [training.optimizer.state[w]["momentum_buffer"] for w in training.weights]
        if progress == 0.7:
            assert not any(map(torch.any, after)) and any(map(torch.any, before))
        else:
            assert all(map(torch.equal, before, after))
        training.descend(lessons.losses(batch, progress))


def test_it_goes_on_from_its_state(tmp_path):
    supernet, batch, _, training, lessons = in_stages()
    moved(supernet, batch, training, lessons, 0.4)
    torch.save(lessons.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    again = Lessons(lessons._sampler, training, supernet)
    again.load_state_dict(state)
    here, there = (list(one.losses(batch, 0.4)) for one in (lessons, again))
    assert all(map(torch.equal, here, there))
    assert supernet.sorted == 0
    again.load_state_dict({})  # of an earlier version
    assert again.state_dict() == {"stage": ""}
