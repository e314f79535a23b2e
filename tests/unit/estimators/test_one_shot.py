from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from elastic import chain, elastic
from fixtures import Heard, Looks, composed
from hydra.utils import instantiate

from nascli.core.budget import OutOfTime
from nascli.core.estimator import Prepared, Stateful, Together
from nascli.core.fault import Fault, Stopped
from nascli.core.goal import Goal, Objective
from nascli.core.problem import Problem
from nascli.core.space import at
from nascli.core.trial import Proposal
from nascli.data.batches import batches
from nascli.data.synthetic import Synthetic
from nascli.estimators.one_shot import OneShot
from nascli.samplers.fair import Fair
from nascli.samplers.sandwich import Sandwich
from nascli.samplers.shrinking import Shrinking
from nascli.samplers.uniform import Uniform
from nascli.supernet.recalibration import recalibrate
from nascli.supernet.shared import Shared
from nascli.training.recipe import Recipe

RECIPE = Recipe(epochs=3, batch_size=40, learning_rate=0.1, crop_padding=1)


class Untested(Synthetic):
    """A data set whose test split nobody may read."""

    def split(self, name):
        assert name != "test"
        return super().split(name)


def problem():
    task = Untested(images=240, size=8)
    space = instantiate(composed("space=nasbench201").space, _partial_=True)(
        task, channels=3, cells_per_stage=1
    )
    return Problem(space=space, task=task, recipe=RECIPE)


GENOTYPE_NUMBER = 9_876


def test_accuracy_is_that_of_the_recalibrated_path_in_percent():
    stated = problem()
    shared = Shared(stated)
    genotype = at(stated.space, GENOTYPE_NUMBER)
    train, valid = stated.task.split("train"), stated.task.split("valid")
    # All training images in one batch: their order does not matter.
    estimator = OneShot(stated, shared, batch_size=len(train), recalibration_batches=1)
    answer = estimator.estimate(Proposal(genotype))
    supernet = shared.supernet
    mixture = supernet.path(genotype)
    recalibrate(supernet, mixture, [images for images, _ in batches(train, 10_000, "cpu")])
    ((images, labels),) = batches(valid, 10_000, "cpu")
    with torch.no_grad():
        right = supernet(images, mixture).argmax(1) == labels
    assert answer == {"accuracy": pytest.approx(100 * right.double().mean().item())}
    assert estimator.metrics == ("accuracy",)
    assert not estimator.traits.repeatable


def test_the_supernet_stays_as_it_is():
    stated = problem()
    shared = Shared(stated)
    supernet = shared.supernet.train()
    supernet.stem.eval()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    modes = [module.training for module in supernet.modules()]
    estimator = OneShot(stated, shared, batch_size=32)
    first = estimator.estimate(Proposal(at(stated.space, GENOTYPE_NUMBER)))
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())
    assert [module.training for module in supernet.modules()] == modes
    assert all(p.grad is None for p in supernet.parameters())
    state = torch.get_rng_state()
    estimator.estimate(Proposal(at(stated.space, 3)))
    assert estimator.estimate(Proposal(at(stated.space, GENOTYPE_NUMBER))) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_statistics_come_from_shuffled_images():
    stated = problem()
    train = stated.task.split("train")
    by_class = train.take(train.labels.sort().indices.numpy())
    seen = []
    stated.task.split = lambda name: by_class if name == "train" else train  # type: ignore
    shared = Shared(stated)
    supernet = shared.supernet
    forward = supernet.forward
    supernet.forward = lambda images, mixture: (
        seen.append(images) if supernet.training else None,
        forward(images, mixture),
    )[1]
    OneShot(stated, shared, None, 24, 1).estimate(Proposal(at(stated.space, GENOTYPE_NUMBER)))
    ((first, _),) = batches(by_class, 24, "cpu", limit=1)
    assert len(seen) == 1
    assert not torch.equal(seen[0], first)


@pytest.mark.parametrize("key", ["batch_size", "recalibration_batches"])
def test_settings_that_make_no_sense_are_named(key):
    with pytest.raises(Fault, match=f"estimator.{key} is 0; it must be at least 1"):
        OneShot(problem(), Shared(problem()), **{key: 0})


def alone(stated, sampler=Uniform, **settings):
    """An estimator that no strategy trains the weights for, and these."""
    shared = Shared(stated, "estimator")
    return OneShot(stated, shared, sampler, **settings), shared


def test_without_a_gradient_strategy_it_trains_its_own_supernet_once():
    stated = problem()
    estimator, shared = alone(stated)
    assert isinstance(estimator, Prepared) and isinstance(estimator, Stateful)
    first = {name: value.clone() for name, value in shared.supernet.state_dict().items()}
    saved = []
    estimator.prepare(lambda: saved.append(estimator.state_dict()["epoch"]))
    assert saved == [1, 2, 3]
    moved = shared.supernet.state_dict()
    assert not all(torch.equal(moved[name], value) for name, value in first.items())
    assert estimator.effort()["search_epoch_seconds"] > 0
    estimator.prepare(lambda: pytest.fail("it is prepared"))
    assert estimator.traits.repeatable
    answers = [estimator.estimate(Proposal(at(stated.space, n))) for n in (1, 7_777, 1)]
    assert answers[0] == answers[2]


def test_the_weights_of_a_strategy_stay_its_own():
    for trainer, repeatable in (("strategy", False), ("nobody", True)):
        stated = problem()
        shared = Shared(stated, trainer)
        estimator = OneShot(stated, shared, Uniform)
        before = {name: value.clone() for name, value in shared.supernet.state_dict().items()}
        estimator.prepare(lambda: pytest.fail("there is nothing to do"))
        after = shared.supernet.state_dict()
        assert all(torch.equal(after[name], value) for name, value in before.items())
        assert estimator.traits.repeatable == repeatable
        assert estimator.state_dict() == {} == estimator.effort()


def test_nothing_is_scored_before_the_training():
    stated = problem()
    estimator, _ = alone(stated)
    with pytest.raises(Fault, match="has not trained its supernet: prepare it first"):
        estimator.estimate(Proposal(at(stated.space, 1)))


def test_training_needs_a_sampler():
    stated = problem()
    with pytest.raises(Fault, match="sampler is empty; take sampler@estimator.sampler=uniform"):
        OneShot(stated, Shared(stated, "estimator"))


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_training_goes_on_as_if_nothing_had_come_between(after, tmp_path):
    whole, shared = alone(problem())
    torch.save(whole.state_dict(), tmp_path / "0.pt")
    numbers = iter((1, 2, 3))
    whole.prepare(lambda: torch.save(whole.state_dict(), tmp_path / f"{next(numbers)}.pt"))
    again, other = alone(problem())
    again.load_state_dict(torch.load(tmp_path / f"{after}.pt", weights_only=True))
    left = []
    again.prepare(lambda: left.append(1))
    assert len(left) == 3 - after
    expected, found = shared.supernet.state_dict(), other.supernet.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    proposal = Proposal(at(problem().space, GENOTYPE_NUMBER))
    assert again.estimate(proposal) == whole.estimate(proposal)


def in_stages():
    """A problem whose supernet has elastic sizes."""
    task = Untested(images=240, size=8)
    space, _ = elastic(chain())
    space.supernet = lambda: elastic(space)[1]
    return Problem(space=space, task=task, recipe=RECIPE)


@pytest.mark.parametrize(
    ("steps", "sampler", "stated"),
    [
        (1, Uniform, problem), (4, Uniform, problem), (7, Uniform, problem), (5, Fair, problem),
        (5, Sandwich, problem), (1, Shrinking, in_stages), (7, Shrinking, in_stages),
    ],
)  # fmt: skip
def test_a_training_that_is_cut_goes_on_at_that_step(steps, sampler, stated):
    whole, shared = alone(stated(), sampler)
    whole.prepare(lambda: None)
    state = {}
    for _ in range(20):  # so many steps at a time, each time in a new search
        again, other = alone(replace(stated(), budget=Looks(steps)), sampler)
        again.load_state_dict(copy.deepcopy(state))
        try:
            again.prepare(lambda: None)
            break
        except OutOfTime:
            state = again.state_dict()
    expected, found = shared.supernet.state_dict(), other.supernet.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_training_that_diverges_goes_back_once_and_then_stops():
    said = []
    recipe = replace(RECIPE, learning_rate=1e38)
    stated = replace(problem(), recipe=recipe, listener=Heard(warned=said.append))
    estimator, shared = alone(stated)
    first = {name: value.clone() for name, value in shared.supernet.state_dict().items()}
    with pytest.raises(Stopped, match="epoch 1 diverged again, .* smaller training.learning_rate"):
        estimator.prepare(lambda: pytest.fail("an epoch was good"))
    assert len(said) == 1 and "going back to the start" in said[0]
    after = shared.supernet.state_dict()
    assert all(torch.equal(after[name], value) for name, value in first.items())


def test_several_together_are_told_what_each_is_told_alone():
    stated = problem()
    estimator = OneShot(stated, Shared(stated, "nobody"), batch_size=32, at_once=8)
    assert isinstance(estimator, Together) and estimator.traits.at_once == 8
    proposals = [Proposal(at(stated.space, number)) for number in (9, 7_777, 15_000)]
    alone = [estimator.estimate(proposal) for proposal in proposals]
    assert estimator.estimate_all(proposals) == alone
    assert estimator.metrics == ("accuracy",)


def test_weights_that_a_strategy_trains_on_are_scored_one_by_one():
    stated = problem()
    assert OneShot(stated, Shared(stated), at_once=8).traits.at_once == 1


def test_in_a_race_it_is_said_how_many_images_a_score_is_of():
    stated = problem()
    estimator = OneShot(stated, Shared(stated, "nobody"), at_once=8, race=2)
    assert estimator.metrics == ("accuracy", "scored_images")
    told = estimator.estimate(Proposal(at(stated.space, 9)))
    assert told["scored_images"] == len(stated.task.split("valid"))
    plain = OneShot(stated, Shared(stated, "nobody")).estimate(Proposal(at(stated.space, 9)))
    assert told["accuracy"] == plain["accuracy"]


FRONT = Goal((Objective("accuracy", "max"), Objective("macs", "min")))


@pytest.mark.parametrize(
    ("values", "goal", "says"),
    [
        ({"at_once": 0}, None, "estimator.at_once is 0; it must be at least 1"),
        ({"race": 1}, None, "race is 1; it must be at least 1 and below estimator.at_once, which"),
        ({"at_once": 4, "race": 0}, None, "estimator.race is 0; it must be at least 1"),
        ({"at_once": 4, "race": 2}, FRONT, "estimator.race looks at accuracies alone"),
    ],
)
def test_numbers_of_paths_that_make_no_sense(values, goal, says):
    stated = problem() if goal is None else replace(problem(), goal=goal)
    with pytest.raises(Fault, match=says):
        OneShot(stated, Shared(stated, "nobody"), **values)


def test_on_some_images_first_and_on_all_in_the_end():
    stated = problem()
    genotype = at(stated.space, GENOTYPE_NUMBER)
    some = OneShot(stated, Shared(stated, "nobody"), images=7)
    every = OneShot(stated, Shared(stated, "nobody"))
    first = some.estimate(Proposal(genotype))["accuracy"]
    assert first * 7 / 100 == pytest.approx(round(first * 7 / 100))  # of seven images
    whole = every.estimate(Proposal(genotype))["accuracy"]
    assert some.traits.again(genotype) == {"all_images_accuracy": whole}
    assert every.traits.again is None
