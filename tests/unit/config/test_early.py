"""What is told before torch is imported follows the rules of those whom it is about."""

import importlib
import inspect
from pathlib import Path

import pytest
from omegaconf import OmegaConf

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


def test_there_are_rules_of_six_rooms():
    assert len({room for room, _ in RULES}) == 6 and len(RULES) >= 14
