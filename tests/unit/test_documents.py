"""What the documents promise stands in the files that keep it."""

import json
import re
import shlex

import pytest
from fixtures import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    "pip install -e . && nas search strategy=darts space=cell",
    "pip install -e '.[test]' && pytest",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_ci_runs_the_readmes_two_commands(command):
    assert f"```sh\n{command}\n```" in README
    lines = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert command in lines


def test_every_result_has_its_raw_file():
    rows = re.findall(r"^\|.*\| `(\w+\.json)` \|$", README, flags=re.MULTILINE)
    assert rows
    for name in rows:
        assert json.loads((CHECKOUT / "benchmarks" / "results" / name).read_text())


def test_figures_in_the_readme_are_those_of_the_raw_files():
    def raw(name):
        return json.loads((CHECKOUT / "benchmarks" / "results" / f"{name}.json").read_text())

    random = raw("nasbench201_random")["rows"]["cifar10"]
    assert f"{random['mean_test_accuracy']:.3f} ± {random['standard_error']}" in README
    search, retrain = raw("cifar10_search"), raw("cifar10_retrain")
    assert f"{search['result']['accuracy']:.1f} %" in README
    assert f"{search['costs']['params']:,.0f} parameters" in README
    assert f"test {retrain['result']['test_accuracy']:.2f} %" in README
    assert f"{retrain['costs']['params']:,.0f} parameters" in README


def test_every_command_in_the_readme_is_one_that_checks_out():
    from nascli import config
    from nascli.commands import prepare

    lines = re.findall(
        r"^nas (search|retrain|profile|audit) (.*?)(?:  #.*)?$", README, flags=re.MULTILINE
    )
    assert len(lines) > 8
    for verb, text in lines:
        words = shlex.split(text.rstrip("\\"))
        words = [word for word in words if "=" in word and "outputs/" not in word]
        if "--config-dir" in text or "$run" in text:
            continue
        found, _ = config.faults(verb, prepare.quoted(words), (), multirun="-m" in text.split())
        assert found == [], (verb, text)
