from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from fixtures import TINY, TINY_SPACE, Heard, build, composed
from torch import Tensor, nn

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.goal import Objective
from nascli.core.plan import Layer
from nascli.core.problem import Problem
from nascli.core.space import at, sample
from nascli.core.trial import Proposal
from nascli.costs.count import count
from nascli.data.synthetic import Synthetic
from nascli.estimators.zero_cost import ZeroCost
from nascli.networks.building import tag
from nascli.zero_cost import FEATURES, IMAGES, SCORES

ALL = tuple(name for name in SCORES if name not in FEATURES)


class Guarded(Synthetic):
    """A data set of which only the training split may be read; it counts how often."""

    reads = 0

    def split(self, name: Any) -> Any:
        assert name == "train"
        self.reads += 1
        return super().split(name)


class Deaf(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 0 * images


class Counting(nn.Sequential):
    """Counts its forward passes over the minibatch."""

    passes = 0

    def forward(self, images: Tensor) -> Any:
        Counting.passes += len(images) == 8
        return super().forward(images)


class Widths:
    """Networks of two convolutions; `deaf` ones ignore their images."""

    name = "widths"
    decisions = {  # noqa: RUF012
        "width": tuple(map(str, range(2, 18))),
        "kernel": ("1", "3"),
        "deaf": ("no", "yes"),
    }

    def network(self, genotype: Genotype) -> nn.Module:
        width, kernel = int(genotype["width"]), int(genotype["kernel"])
        last = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4))
        return Counting(
            nn.Conv2d(3, width, kernel, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel),
            Deaf() if genotype["deaf"] == "yes" else nn.Identity(),
            nn.ReLU(),
            tag(last, Layer("classifier", width, 4, 1, 6, 6)),
        )

    def canonical(self, genotype: Genotype) -> Genotype:
        return genotype


def genotype(width: int = 4, deaf: str = "no") -> Genotype:
    return Genotype.of("widths", {"width": str(width), "kernel": "3", "deaf": deaf})


def problem(**changes: Any) -> Problem:
    values = {"space": Widths(), "task": Guarded(images=96, size=6), "recipe": None}
    return Problem(**{**values, **changes})


def made(*scores: str, stated: Problem | None = None, **changes: Any) -> ZeroCost:
    return ZeroCost(stated or problem(), scores, **{"batch_size": 8, **changes})


def value(estimator: ZeroCost, width: int = 4) -> dict[str, float]:
    return dict(estimator.estimate(Proposal(genotype(width))))


def test_it_reports_the_first_score_once_more() -> None:
    estimator = made("naswot", "synflow")
    found = value(estimator)
    assert estimator.metrics == ("score", "naswot", "synflow") == tuple(found)
    assert found["score"] == found["naswot"] != found["synflow"]
    assert ZeroCost.traits.objective == Objective("score", "max")


def test_scores_that_share_passes_are_what_they_are_alone() -> None:
    together = value(made(*ALL))
    for name in ALL:
        assert value(made(name))[name] == pytest.approx(together[name], rel=1e-6), name


@pytest.mark.parametrize(
    ("scores", "passes"),
    [
        (("snip", "grad_norm", "fisher", "grasp", "jacob_cov", "naswot", "swap"), 1),
        (("snip", "zico", "jacob_cov"), 2),
        (("synflow", "zen", "l2_norm"), 0),
    ],
)
def test_scores_share_one_forward_pass_a_minibatch(scores: tuple[str, ...], passes: int) -> None:
    estimator = made(*scores)
    Counting.passes = 0
    value(estimator)
    assert Counting.passes == passes


def test_answers_hang_on_seed_and_genotype_alone() -> None:
    first, second = made(*ALL), made(*ALL)
    alone = value(first)
    torch.rand(5)
    value(second, 7)
    before = torch.get_rng_state()
    assert value(second) == alone
    assert torch.equal(torch.get_rng_state(), before)
    other = value(made(*ALL, stated=problem(seed=1)))
    assert all(other[name] != alone[name] for name in alone)
    assert ZeroCost.traits.repeatable and not ZeroCost.traits.by_genotype
    assert not ZeroCost.meaning


def test_images_are_read_only_where_a_score_needs_them() -> None:
    for name in (*ALL, "params", "vote"):
        stated: Any = problem()
        made(name, stated=stated)
        assert bool(stated.task.reads) == (name in IMAGES or name == "vote"), name


def test_params_and_macs_are_scores_but_not_reported_twice() -> None:
    counts = count(Widths().network(genotype()), (3, 6, 6))
    assert value(made("params")) == {"score": counts.params}
    estimator = made("macs", "snip", "params")
    assert estimator.metrics == ("score", "snip")
    assert value(estimator)["score"] == counts.macs


@pytest.mark.parametrize(
    ("name", "said"), [("synflow", "-inf"), ("jacob_cov", "nan"), ("zen", "-inf")]
)
def test_a_score_that_is_not_finite_is_an_error_of_the_trial(name: str, said: str) -> None:
    estimator = made("l2_norm", name)
    with pytest.raises(ArithmeticError, match=f"score {name} is {said}, as for a network that"):
        estimator.estimate(Proposal(genotype(deaf="yes")))
    assert not math.isfinite(estimator.scores(genotype(deaf="yes"))[name])


def test_a_network_may_return_a_pair() -> None:
    class Pairs(Widths):
        def network(self, genotype: Genotype) -> nn.Module:
            class Pair(nn.Module):
                def __init__(self, body: nn.Module) -> None:
                    super().__init__()
                    self.body = body

                def forward(self, images: Tensor) -> Any:
                    logits = self.body(images)
                    return (logits, logits.detach()) if self.training else logits

            return Pair(super().network(genotype))

    assert value(made(*ALL, stated=problem(space=Pairs()))) == pytest.approx(value(made(*ALL)))


def voting(**changes: Any) -> Any:
    settings = {"vote": ("synflow", "l2_norm", "params"), "reference": 12}
    return made("vote", "synflow", **{**settings, **changes})


def references(estimator: ZeroCost, seen: int) -> Iterator[dict[str, float]]:
    """The finite scores of other random genotypes than the reference's."""
    rng = random.Random(1)
    for _ in range(seen):
        found = estimator.scores(sample(Widths(), rng))  # type: ignore[arg-type]
        if all(map(math.isfinite, found.values())):
            yield found


def test_the_vote_is_the_score_and_follows_its_voters() -> None:
    estimator = voting()
    assert estimator.metrics == ("score", "vote", "synflow")
    small, middle, large = (value(estimator, width)["vote"] for width in (2, 9, 17))
    # all three scores grow with the width
    assert small < middle < large
    assert 0 < middle < 1


def test_the_vote_s_reference_is_scored_once_and_follows_from_the_seed() -> None:
    told: list[tuple[float, str]] = []
    stated = problem(listener=Heard(lambda done, text: told.append((done, text))))
    estimator = voting(stated=stated)
    first = value(estimator)
    scored = len(told)
    shares = [share for share, _ in told]
    assert scored >= 12 and {text for _, text in told} == {"scoring the vote's reference"}
    assert shares == sorted(shares) and sorted({*shares}) == [n / 12 for n in range(12)]
    assert value(estimator) == first == value(voting())
    assert len(told) == scored
    assert value(voting(stated=problem(seed=1)))["vote"] != first["vote"]


def test_a_space_without_finite_scores_cannot_vote() -> None:
    class AllDeaf(Widths):
        decisions = {**Widths.decisions, "deaf": ("yes",)}  # noqa: RUF012

    estimator = voting(stated=problem(space=AllDeaf()), reference=2)
    with pytest.raises(Fault, match=r"vote joins synflow, .*; of 20 random genotypes only 0"):
        estimator._joiners  # noqa: B018


@pytest.mark.parametrize(
    ("scores", "changes", "said"),
    [
        (("sinflow",), {}, "score in estimator.scores 'sinflow' is not known; .*'synflow'"),
        (("vote",), {"vote": ("vote",)}, "score in estimator.vote 'vote' is not known"),
        ((), {}, "estimator.scores is empty; it may hold synflow, "),
        (("vote",), {"vote": ()}, "estimator.vote is empty"),
        (("snip",), {"batch_size": 1}, "estimator.batch_size is 1; it must be at least 2"),
        (("swap_regular",), {"swap_millions": 0}, "swap_millions is 0; it must be above 0"),
        (("vote",), {"reference": 1}, "estimator.reference is 1; it must be at least 2"),
        (("snip",), {"batch_size": 73}, "batch_size is 73; for snip it may be at most 56, because"),
        (("zico",), {"batch_size": 30}, "batch_size is 30; for zico it may be at most 28, because"),
    ],
)
def test_faults(scores: tuple[str, ...], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Fault, match=said):
        made(*scores, **changes)


def test_missing_images_are_found_before_the_search_begins(tmp_path: Any) -> None:
    from nascli.data.fashion_mnist import FashionMNIST

    with pytest.raises(Fault, match="data.path="):
        made("snip", stated=problem(task=FashionMNIST(path=str(tmp_path))))
    made("synflow", stated=problem(task=FashionMNIST(path=str(tmp_path))))


def cells() -> Any:
    return build.stated(composed("space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]))


@pytest.mark.parametrize("name", ["live_macs", "trainability", "az_nas"])
def test_some_scores_need_a_plan(name: str) -> None:
    with pytest.raises(Fault, match="trainability follow the plan of a network, and space 'w"):
        made(name)


def test_features_are_those_of_the_pass_that_all_share() -> None:
    space = cells()
    genotype = at(space.space, 5**6 // 2)
    scores = ("naswot", "expressivity", "progressivity", "trainability", "fisher")
    together = ZeroCost(space, scores, 8).scores(genotype)
    assert all(map(math.isfinite, together.values()))
    for name in scores:
        alone = ZeroCost(space, (name,), 8).scores(genotype)[name]
        assert alone == pytest.approx(together[name], rel=1e-5, abs=1e-6), name


def test_a_sum_of_ranks_is_against_the_reference() -> None:
    """Of four scores among four genotypes; the vote beside it is what it is alone."""
    space = cells()
    estimator = ZeroCost(space, ("az_nas", "vote"), 8, ("synflow",), 3)
    alone = ZeroCost(space, ("vote",), 8, ("synflow",), 3)
    whole = Proposal(at(space.space, 5**6 // 2))
    found = estimator.estimate(whole)
    assert found["score"] == found["az_nas"]
    assert found["vote"] == alone.estimate(whole)["vote"]
    assert 4 * math.log(1 / 2 / 4) < found["az_nas"] < 0
    assert estimator.metrics == ("score", "az_nas", "vote")


def test_live_counts() -> None:
    space = cells()
    estimator = ZeroCost(space, ("live_macs", "macs", "live_params"))
    dead, whole = at(space.space, 0), at(space.space, 5**6 // 2)
    assert estimator.estimate(Proposal(dead)) == {"score": 0, "live_macs": 0, "live_params": 0}
    found = estimator.estimate(Proposal(whole))
    assert found["live_macs"] > 0 and found["live_params"] > 0
