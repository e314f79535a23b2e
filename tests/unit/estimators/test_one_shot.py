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
from nascli.supernet.recalibration import recalibrate


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
    return Problem(space=space, task=task, recipe=None)


GENOTYPE_NUMBER = 9_876


def test_accuracy_is_that_of_the_recalibrated_path_in_percent():
    stated = problem()
    genotype = at(stated.space, GENOTYPE_NUMBER)
    train, valid = stated.task.split("train"), stated.task.split("valid")
    # All training images in one batch: their order does not matter.
    estimator = OneShot(stated, batch_size=len(train), recalibration_batches=1)
    answer = estimator.estimate(Proposal(genotype))
    supernet = stated.supernet
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
    supernet = stated.supernet.train()
    supernet.stem.eval()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    modes = [module.training for module in supernet.modules()]
    estimator = OneShot(stated, batch_size=32)
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
    supernet = stated.supernet
    forward = supernet.forward
    supernet.forward = lambda images, mixture: (
        seen.append(images) if supernet.training else None,
        forward(images, mixture),
    )[1]
    OneShot(stated, 24, 1).estimate(Proposal(at(stated.space, GENOTYPE_NUMBER)))
    ((first, _),) = batches(by_class, 24, "cpu", limit=1)
    assert len(seen) == 1
    assert not torch.equal(seen[0], first)


@pytest.mark.parametrize("key", ["batch_size", "recalibration_batches"])
def test_settings_that_make_no_sense_are_named(key):
    with pytest.raises(Fault, match=f"estimator.{key} is 0; it must be at least 1"):
        OneShot(problem(), **{key: 0})
