import json

import pytest

from nascli.config import command_line
from nascli.core.fault import Fault


@pytest.fixture
def own(tmp_path):
    """A genotype of a user's own space, and the folder of its config."""
    genotype = {"format": "nascli-genotype-1", "space": "ladder", "choices": {"rung": "a"}}
    (tmp_path / "genotype.json").write_text(json.dumps(genotype))
    (tmp_path / "mine" / "space").mkdir(parents=True)
    (tmp_path / "mine" / "space" / "ladder.yaml").write_text("# Mine.\n_target_: own.Ladder\n")
    return tmp_path


@pytest.mark.parametrize("verb", ["show", "retrain"])
def test_a_component_of_ones_own_is_to_be_given_again(own, verb):
    with pytest.raises(Fault) as caught:
        command_line.checked(verb, [f"{own}"], [])
    assert str(caught.value) == (
        "the run was made with space=ladder, which no config of this installation names; if it is "
        "yours, give its folder with --config-dir"
    )
    assert "space=ladder" in command_line.checked(verb, [f"{own}"], [own / "mine"])


def test_every_fault_is_said_once():
    with pytest.raises(Fault) as caught:
        command_line.checked("search", ["~strategy", "seed=x"], [])
    assert str(caught.value).splitlines() == [
        "strategy is missing; nas search needs it: give strategy=..."
    ]


def test_what_refers_to_nothing_is_said_before_hydra_runs():
    for words in (["outputs=a${x}"], ["constraints.params=${x}"], ["seed=1,2", "outputs=${x}"]):
        with pytest.raises(Fault, match="Interpolation key 'x' not found"):
            command_line.checked("search", words, [], multirun=len(words) > 1)


def test_a_network_that_is_not_there_hides_no_other_fault():
    words = ["genotype=nope", "baselines=[bad]", "lr=1", "space.channels=x", "training.epochs=x"]
    with pytest.raises(Fault) as caught:
        command_line.checked("retrain", words, [])
    begins = [line.partition(";")[0] for line in str(caught.value).splitlines()]
    assert begins == [
        "there is no file or run folder 'nope', and genotype 'nope' is not known",
        "key 'lr' is not known",
        "training.epochs is 'x'",
        "baseline 'bad' is not known",
    ]  # and nothing of a space that is not known


def test_what_follows_from_a_missing_network_is_not_said():
    for words in (["genotype=nope"], ["-m", "genotype=nope,darts_v2", "baselines=[bad]"]):
        with pytest.raises(Fault, match="nope") as caught:
            command_line.checked("retrain", words[-2:], [], multirun=words[0] == "-m")
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("verb", "words"), [("search", ["seed=x"]), ("retrain", ["genotype=nope", "seed=x"])]
)
def test_what_is_given_and_wrong_is_not_missing(verb, words):
    with pytest.raises(Fault) as caught:
        command_line.checked(verb, [*words, "device=remote"], [])
    assert "device.command is missing: give device.command=VALUE" in str(caught.value)
    with pytest.raises(Fault) as caught:
        command_line.checked(verb, [*words, "device=remote", "device.command=true"], [])
    assert "device.command is true; it must be a word\n" in f"{caught.value}\n"
    assert "missing" not in str(caught.value)
