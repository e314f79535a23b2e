from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from fixtures import Heard, Looks
from torch import nn

from nascli.core.budget import OutOfTime
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.trial import Proposal
from nascli.data.batches import batches
from nascli.data.synthetic import Synthetic
from nascli.estimators.train import Train
from nascli.training.divergence import DivergedError
from nascli.training.fit import fit
from nascli.training.recipe import Recipe


class Untested(Synthetic):
    """A data set whose test split nobody may read."""

    def split(self, name: Any) -> Any:
        assert name != "test"
        return super().split(name)


class Widths:
    """Networks of one hidden layer."""

    name = "widths"
    decisions = {"width": ("4", "8"), "dropout": ("0", "0.3")}  # noqa: RUF012

    def network(self, genotype: Genotype) -> nn.Module:
        width, dropout = int(genotype["width"]), float(genotype["dropout"])
        return nn.Sequential(
            nn.Flatten(), nn.Linear(108, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 4)
        )


def genotype(width: str, dropout: str = "0.3") -> Genotype:
    return Genotype.of("widths", {"width": width, "dropout": dropout})


def problem(**changes: Any) -> Problem:
    recipe = Recipe(epochs=8, batch_size=16, learning_rate=0.02, schedule="step", crop_padding=1)
    values = {"space": Widths(), "task": Untested(images=240, size=6), "recipe": recipe}
    return Problem(**{**values, **changes})


def test_the_same_proposal_gets_the_same_answer_whatever_came_before() -> None:
    first, second = Train(problem()), Train(problem())
    alone = first.estimate(Proposal(genotype("8")))
    torch.rand(5)
    second.estimate(Proposal(genotype("4"), 0.5))
    before = torch.get_rng_state()
    assert second.estimate(Proposal(genotype("8"))) == alone
    assert torch.equal(torch.get_rng_state(), before)
    assert first.traits.repeatable


def test_it_reports_what_it_names_and_learns() -> None:
    estimator = Train(problem())
    metrics = estimator.estimate(Proposal(genotype("8", "0")))
    assert tuple(metrics) == estimator.metrics
    assert metrics["accuracy"] > 60  # by chance 25


def test_accuracy_is_percent_of_the_validation_split() -> None:
    stated, proposal = problem(seed=3), Proposal(genotype("8"))
    metrics = Train(stated).estimate(proposal)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Widths().network(proposal.genotype)
    task: Any = stated.task
    epochs = fit(network, task.split("train"), None, stated.training, seed=3)
    images, labels = next(batches(task.split("valid"), 1000, "cpu"))
    correct = (network.eval()(images).argmax(1) == labels).sum().item()
    assert metrics["accuracy"] == pytest.approx(100 * correct / len(labels))
    assert metrics["train_accuracy"] == epochs[-1].train.accuracy


@pytest.mark.parametrize(
    ("fidelity", "epochs"),
    [(1.0, 8), (0.5, 4), (0.3, 2), (0.01, 1)],  # 0.3 * 8 = 2.4
)
def test_fidelity_is_the_share_of_the_epochs(fidelity: float, epochs: int) -> None:
    seen: list[str] = []
    stated = problem(listener=Heard(lambda _done, text: seen.append(text)))
    Train(stated).estimate(Proposal(genotype("4"), fidelity))
    assert list(dict.fromkeys(seen)) == [f"epoch {n + 1}/{epochs}" for n in range(epochs)]


def test_the_batch_size_can_be_set() -> None:
    seen: list[float] = []
    stated = problem(listener=Heard(lambda done, _text: seen.append(done)))
    Train(stated, batch_size=45).estimate(Proposal(genotype("4"), 0.125))
    assert len(seen) == 3  # of 135 images
    with pytest.raises(Fault, match="training.batch_size is 0"):
        Train(problem(), batch_size=0)


def test_the_seed_matters() -> None:
    answers = {
        Train(problem(seed=seed)).estimate(Proposal(genotype("8"), 0.2))["train_accuracy"]
        for seed in range(4)
    }
    assert len(answers) > 1


def test_a_network_that_diverges_is_an_error_of_the_trial_not_of_the_user() -> None:
    wild = Recipe(epochs=2, batch_size=16, learning_rate=1e30)
    words = r"; take a smaller training.learning_rate \(it is 1e\+30\) or a smaller training.grad"
    with pytest.raises(DivergedError, match=words):
        Train(problem(recipe=wild)).estimate(Proposal(genotype("8")))


def test_a_training_that_is_cut_lies_in_the_state_and_goes_on_for_its_proposal_alone() -> None:
    whole = Train(problem()).estimate(Proposal(genotype("8"), 0.25))
    cut = Train(problem(budget=Looks(5)))
    with pytest.raises(OutOfTime):
        cut.estimate(Proposal(genotype("8"), 0.25))
    state = cut.state_dict()
    assert state["genotype"] == genotype("8").to_json()
    steps: list[float] = []
    stated = problem(listener=Heard(lambda done, _text: steps.append(done)))
    again = Train(stated)
    again.load_state_dict(copy.deepcopy(state))
    assert again.estimate(Proposal(genotype("8"), 0.25)) == whole
    rest, every = len(steps), len(steps) + 5
    assert again.state_dict() == {}
    other = Train(stated)
    for proposal in (Proposal(genotype("4"), 0.25), Proposal(genotype("8"), 0.125)):
        other.load_state_dict(copy.deepcopy(state))
        assert other.estimate(proposal) == Train(problem()).estimate(proposal)
    assert len(steps) == rest + every + every // 2


def test_missing_images_are_found_before_the_search_begins(tmp_path: Any) -> None:
    from nascli.data.fashion_mnist import FashionMNIST

    with pytest.raises(Fault, match="data.path="):
        Train(problem(task=FashionMNIST(path=str(tmp_path))))
