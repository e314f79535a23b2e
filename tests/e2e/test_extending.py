"""docs/extending.md, done as it says: its files in a folder of one's own, its commands there."""

import re
import shlex

import pytest
from fixtures import CHECKOUT

TEXT = (CHECKOUT / "docs" / "extending.md").read_text(encoding="utf-8")
FILE = re.compile(r"^`(mine/\S+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def mine(tmp_path):
    for name, text in FILE.findall(TEXT):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_there_is_an_example_of_each():
    names = {name for name, _ in FILE.findall(TEXT)}
    kinds = {name.split("/")[1] for name in names if name.endswith(".yaml")}
    assert kinds == {"operation", "space", "strategy", "estimator", "device"}
    assert len(COMMANDS) == len(kinds) + 1  # two kinds of space


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: shlex.split(block)[4])
def test_the_commands_run(nas, mine, block):
    run = ""
    for line in block.splitlines():
        verb, *arguments = shlex.split(line.replace("$run", run))[1:]
        done = nas(verb, *arguments, cwd=mine)
        assert done.code == 0, f"{line}\n{done.stderr}"
        assert (mine / done.run / "config.yaml").is_file()
        if verb == "audit":  # by the name that was chosen, not by that of the file it is in
            assert "audit · weighted against table" in done.stderr
        run = str(done.run)


def test_a_run_with_own_components_goes_on(nas, mine):
    table = ("strategy=climb", "space=nasbench201", "estimator=table", "device=none")
    long = nas("search", "--config-dir", "mine", *table, "budget.trials=40", cwd=mine)
    short = nas("search", "--config-dir", "mine", *table, "budget.trials=15", cwd=mine)
    again = nas(
        "search", "--config-dir", "mine", f"resume={short.run}", "budget.trials=40", cwd=mine
    )
    assert again.code == 0, again.stderr
    genotypes = [
        re.findall(r'"choices":({.*?})', (mine / run / "history.jsonl").read_text())
        for run in (long.run, short.run)
    ]
    assert genotypes[0] == genotypes[1] and len(genotypes[0]) >= 40
