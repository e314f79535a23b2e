"""What is told before torch is imported follows the rules of those whom it is about."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fixtures import ToyTask, composed
from hydra.utils import instantiate
from omegaconf import OmegaConf

from nascli.config import early

ROOT = Path(__file__).resolve().parents[3]
GIVEN = {"problem", "elastic"}  # by whoever calls, besides the settings
RULES = [
    (".".join(file.relative_to(ROOT).with_suffix("").parts[:-1]), name)
    for file in sorted((ROOT / "nascli").rglob("checks.py"))
    for name, rule in vars(
        importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    ).items()
    if inspect.isfunction(rule) and rule.__module__.endswith(".checks") and name[0] != "_"
]
TARGETS = {
    str(node["_target_"]).rpartition(".")[0]: node
    for node in map(OmegaConf.load, sorted((ROOT / "configs").glob("*/*.yaml")))
    if "_target_" in node
}


@pytest.mark.parametrize(("room", "name"), RULES)
def test_a_rule_is_about_settings_of_a_shipped_component(room, name):
    """Or else it would never be asked, without a word."""
    rule = getattr(importlib.import_module(f"{room}.checks"), name)
    wanted = set(inspect.signature(rule).parameters) - GIVEN
    assert wanted and wanted <= set(TARGETS[f"{room}.{name}"])


def test_a_space_of_ones_own_may_have_elastic_sizes():
    sizes = {"once_for_all_small": True, "nasbench201": False}
    for name, elastic in sizes.items():
        make = instantiate(composed(f"space={name}").space, _partial_=True)
        assert early._elastic(make(ToyTask(input_shape=(3, 32, 32)))) is elastic
    assert early._elastic(object())


@pytest.mark.parametrize(("settings", "wrong"), [({}, 0), ({"random": 2}, 0), ({"random": -1}, 1)])
def test_settings_that_are_left_out_are_left_to_the_constructor(settings, wrong):
    node = OmegaConf.create({"_target_": "nascli.samplers.sandwich.Sandwich", **settings})
    made = SimpleNamespace(space=object())
    assert len(list(early._wrong_parts(node, "estimator", made))) == wrong


def test_there_are_rules_of_six_rooms():
    assert len({room for room, _ in RULES}) == 6 and len(RULES) >= 13


def test_what_is_wrong_with_strategy_and_estimator_is_told_at_once(tmp_path):
    """By a process that has not imported torch."""
    words = ("search", "strategy=spos", "space=chain", "device=none", "strategy.population=5")
    bad = ("estimator.batch_size=0", "estimator.sampler.rule=3")
    done = subprocess.run(
        [sys.executable, "-m", "nascli", *words, *bad],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "tournament is 10; it must be from 1 to population=5" in done.stderr
    assert "estimator.batch_size is 0; it must be at least 1" in done.stderr
    assert "the rule of the uniform sampler is 3; it must be 1 or 2" in done.stderr
