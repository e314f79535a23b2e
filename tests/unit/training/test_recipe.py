from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from nascli.core.fault import Fault
from nascli.training.recipe import Recipe, learning_rate

RECIPES = Path(__file__).resolve().parents[3] / "configs" / "training"


def loaded(name: str) -> Recipe:
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    recipe = instantiate(OmegaConf.load(RECIPES / f"{name}.yaml"), _convert_="all")
    assert isinstance(recipe, Recipe)
    return recipe


def test_all_bad_values_are_named_at_once() -> None:
    with pytest.raises(Fault) as fault:
        Recipe(
            epochs=0,
            batch_size=2.5,  # type: ignore[arg-type]
            learning_rate=math.nan,
            momentum=1.5,
            nesterov="yes",  # type: ignore[arg-type]
            schedule="steps",  # type: ignore[arg-type]
            architecture={"learning_rates": 1, "betas": [0.5], "weight_decay": -1},
        )
    for words in (
        "training.epochs is 0; it must be an integer of at least 1",
        "training.batch_size is 2.5; it must be an integer of at least 1",
        "training.learning_rate is nan; it must be a number of at least 0",
        "training.momentum is 1.5; it must be a number from 0 to 1",
        "training.nesterov is 'yes'; it must be true or false",
        "training.schedule 'steps' is not known; allowed: epoch, step; did you mean 'step'?",
        "training.architecture's key 'learning_rates' is not known",
        "training.architecture.betas is [0.5]; it must be two numbers from 0 up, below 1",
        "training.architecture.weight_decay is -1; it must be a number of at least 0",
    ):
        assert words in str(fault.value).splitlines() or words in str(fault.value)
    assert len(str(fault.value).splitlines()) == 9


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"warmup_epochs": 5}, "training.warmup_epochs is 5; epochs is only 5"),
        ({"nesterov": True, "momentum": 0}, "training.nesterov needs a momentum above 0"),
        ({"network": 3}, "training.network is 3; it must be a mapping"),
        ({"architecture": {"betas": 0.5}}, "training.architecture.betas is 0.5"),
        (
            {"architecture": {"learning_rate": math.inf}},
            "learning_rate is inf; it must be a fin",
        ),
        (
            {"architecture": {"weight_decay": math.nan}},
            "weight_decay is nan; it must be a num",
        ),
        ({"epochs": True}, "training.epochs is True"),
    ],
)
def test_values_that_do_not_go_together(values: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault) as fault:
        Recipe(**{"epochs": 5, "batch_size": 8, "learning_rate": 0.1, **values})
    assert words in str(fault.value)


def test_architecture_weights_have_the_published_adam_unless_told() -> None:
    recipe = Recipe(5, 8, 0.1, architecture={"weight_decay": 0})
    assert recipe.architecture == {"learning_rate": 3e-4, "betas": (0.5, 0.999), "weight_decay": 0}


def test_the_published_recipes() -> None:
    """Liu et al. 2019, appendix A; Dong and Yang 2020, table 1."""
    search, retrain = loaded("search"), loaded("darts_cifar10")
    assert (search.epochs, search.batch_size) == (50, 64)
    assert (search.learning_rate, search.final_learning_rate) == (0.025, 0.001)
    assert (retrain.epochs, retrain.batch_size) == (600, 96)
    assert (retrain.learning_rate, retrain.final_learning_rate) == (0.025, 0)
    assert (retrain.cutout, retrain.drop_path, retrain.auxiliary_weight) == (16, 0.2, 0.4)
    assert retrain.network["cell"] == {"channels": 36, "cells": 20, "auxiliary": True}
    for recipe in (search, retrain):
        assert (recipe.momentum, recipe.weight_decay, recipe.gradient_clip) == (0.9, 3e-4, 5)
        assert not recipe.nesterov
    assert search.network["cell"] == {"channels": 16, "cells": 8}
    adam = search.architecture
    assert (adam["learning_rate"], adam["weight_decay"]) == (3e-4, 1e-3)
    assert list(adam["betas"]) == [0.5, 0.999]
    bench = loaded("nasbench201")
    assert (bench.epochs, bench.batch_size, bench.learning_rate) == (200, 256, 0.1)
    assert (bench.nesterov, bench.momentum, bench.weight_decay) == (True, 0.9, 5e-4)
    assert (bench.crop_padding, bench.flip, bench.cutout) == (4, True, 0)
    assert bench.final_learning_rate == 0
    assert bench.gradient_clip == math.inf


@pytest.mark.parametrize("name", ["mixup", "cutmix", "learning_rate", "auxiliary_weight"])
def test_no_number_but_the_bound_of_a_clip_is_infinite(name: str) -> None:
    with pytest.raises(Fault, match=f"^training.{name} is inf; it must be a finite number of at"):
        Recipe(2, 8, **{"learning_rate": 0.1, name: math.inf})
    assert Recipe(2, 8, 0.1, gradient_clip=math.inf).gradient_clip == math.inf


def test_the_searches_of_pc_darts_and_p_darts_have_their_own_recipes() -> None:
    """Xu et al. 2020, section 4.2 (four times the batch and the rate); Chen et al. 2019, 4.2.2."""
    darts, partial, progressive = map(loaded, ("search", "search_pc_darts", "search_p_darts"))
    assert (partial.batch_size, partial.learning_rate) == (
        4 * darts.batch_size,
        4 * darts.learning_rate,
    )
    assert (partial.epochs, partial.final_learning_rate) == (50, 0.001)
    assert partial.network["cell"] == {"channels": 16, "cells": 8}
    assert (progressive.epochs, progressive.batch_size) == (3 * 25, 96)
    assert (progressive.learning_rate, progressive.final_learning_rate) == (0.025, 0)
    assert progressive.network["cell"] == {"channels": 16, "cells": 5}  # deeper in later stages
    for recipe in (partial, progressive):
        assert (recipe.momentum, recipe.weight_decay, recipe.gradient_clip) == (0.9, 3e-4, 5)
        assert recipe.architecture["learning_rate"] == 6e-4
        assert list(recipe.architecture["betas"]) == [0.5, 0.999]
        assert recipe.architecture["weight_decay"] == 1e-3


def test_the_cosine_is_torchs() -> None:
    recipe = Recipe(20, 8, 0.025, 0.001)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.025)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12, eta_min=0.001)
    for epoch in range(12):
        expected = scheduler.get_last_lr()[0]
        assert learning_rate(recipe, 12, epoch, 0, 7) == pytest.approx(expected, rel=1e-12)
        assert learning_rate(recipe, 12, epoch, 6, 7) == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_a_schedule_by_steps_is_the_same_cosine_with_an_epoch_a_step() -> None:
    steps, epochs = Recipe(6, 8, 0.1, 0.01, schedule="step"), Recipe(30, 8, 0.1, 0.01)
    for number in range(30):
        epoch, step = divmod(number, 5)
        expected = learning_rate(epochs, 30, number, 0, 1)
        assert learning_rate(steps, 6, epoch, step, 5) == pytest.approx(expected)


def test_warm_up_is_linear_and_then_the_whole_cosine() -> None:
    recipe = Recipe(10, 8, 0.1, warmup_epochs=4)
    rates = [learning_rate(recipe, 10, epoch, 0, 1) for epoch in range(10)]
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    cosine = [0.05 * (1 + math.cos(math.pi * n / 6)) for n in range(6)]
    assert rates[4:] == pytest.approx(cosine)
    stepped = Recipe(10, 8, 0.1, warmup_epochs=4, schedule="step")
    first = [learning_rate(stepped, 10, 0, step, 5) for step in range(5)]
    assert first == pytest.approx([0.005 * n for n in range(1, 6)])


def test_a_shorter_training_has_a_shorter_warm_up() -> None:
    recipe = Recipe(10, 8, 0.1, warmup_epochs=4)
    rates = [learning_rate(recipe, 5, epoch, 0, 1) for epoch in range(5)]
    assert rates[:3] == pytest.approx([0.05, 0.1, 0.1])
