"""What configs, run folders and checkpoints of format 1 called things is still understood.

old_names.txt holds every `_target_` that a shipped config named at that time, and every option of
its config groups as GROUP/OPTION. A line is never taken out of it.
"""

from pathlib import Path

import pytest
import torch
from fixtures import asked, build, composed
from hydra.utils import get_object
from recorded.record import RUNS, RUNS_FOLDER

from nascli.config import audit, building, catalogue, following, overrides, recorded, targets
from nascli.config.compose import composed as composed_with
from nascli.core.fault import Fault
from nascli.runs import aliases, reading
from nascli.runs.aliases import Key

NAMES = (Path(__file__).parent / "old_names.txt").read_text().split()
ANSWERED = [name for name in RUNS if (RUNS_FOLDER / name / "genotype.json").is_file()]
OLD_TARGETS = [name for name in NAMES if "/" not in name]
OLD_OPTIONS = [name for name in NAMES if "/" in name]


def test_the_names_are_all_there():
    assert len(OLD_TARGETS) == 66
    assert len(OLD_OPTIONS) == 95


@pytest.mark.parametrize("name", OLD_TARGETS)
def test_every_old_target_is_there_or_has_moved(name):
    new = aliases.target(name)
    assert get_object(new).__name__ == name.rpartition(".")[2] or name in aliases.TARGETS
    assert new in targets(), f"no config names {new}, so a recorded run could not build it"


@pytest.mark.parametrize("name", OLD_OPTIONS)
def test_every_old_option_is_there_or_has_moved(name):
    group, _, option = name.partition("/")
    moved = {(key.partition("@")[0], old) for key, old in aliases.OPTIONS}
    assert option in catalogue().get(group, {}) or (group, option) in moved


def test_what_a_name_becomes_is_a_name_of_today():
    for new in aliases.TARGETS.values():
        assert aliases.target(new) == new
    for group, option in aliases.OPTIONS.values():
        assert option in catalogue()[group.partition("@")[0]]


def test_a_path_moves_with_all_that_is_in_it_and_nothing_else():
    assert aliases.target("nascli.penalties.mine.Mine") == "nascli.gradient.penalties.mine.Mine"
    assert aliases.target("nascli.penalties_of.mine.Mine") == "nascli.penalties_of.mine.Mine"
    assert aliases.target("mine.nascli.penalties.Mine") == "mine.nascli.penalties.Mine"


def test_a_config_comes_under_todays_names():
    old = {
        "strategy": {"penalties": [{"_target_": "nascli.penalties.zero_one.ZeroOne", "weight": 2}]}
    }
    new, lines = aliases.config(old)
    penalty = {"_target_": "nascli.gradient.penalties.zero_one.ZeroOne", "weight": 2}
    assert new == {"strategy": {"penalties": [penalty]}}
    assert lines == [
        "_target_ nascli.penalties.zero_one.ZeroOne is now "
        "nascli.gradient.penalties.zero_one.ZeroOne"
    ]
    assert aliases.config(new) == (new, [])


@pytest.fixture
def moved(monkeypatch):
    monkeypatch.setattr(aliases, "KEYS", (Key("strategy.a.b", "strategy.c", "mine.B"),))
    monkeypatch.setattr(aliases, "OPTIONS", {("a@strategy.a", "b"): ("c@strategy.c", "d")})
    monkeypatch.setattr(aliases, "STATES", {"strategy.a": "weights.b.a"})


def test_a_key_moves_where_its_target_says_so(moved):
    node = {"_target_": "mine.B", "x": 1}
    new, lines = aliases.config({"strategy": {"a": {"b": node, "e": 2}}, "seed": 1})
    assert new == {"strategy": {"a": {"e": 2}, "c": node}, "seed": 1}
    assert lines == ["strategy.a.b is now strategy.c"]
    for other in ({"a": {"b": {"_target_": "mine.C"}}}, {"a": {"b": 3}}, {"a": None}, {}):
        assert aliases.config({"strategy": other}) == ({"strategy": other}, [])


def test_overrides_and_choices_move(moved):
    assert aliases.option("a@strategy.a=b") == "c@strategy.c=d"
    assert aliases.option("+a@strategy.a=b") == "+c@strategy.c=d"
    for same in ("a@strategy.a=c", "a=b", "~a@strategy.a", "x.y=a@strategy.a=b"):
        assert aliases.option(same) == same
    assert aliases.choices({"a@strategy.a": "b", "space": "cell", "x": None}) == {
        "c@strategy.c": "d",
        "space": "cell",
        "x": None,
    }


def test_an_old_checkpoint_moves_and_a_new_one_stays(moved):
    old = {"strategy": {"a": 1, "d": 2}, "trials": 3}
    assert aliases.state(old, 1) == {
        "strategy": {"a": 1, "d": 2},
        "weights": {"b": {"a": 1}},
        "trials": 3,
    }
    assert aliases.state(old, 2) == old == {"strategy": {"a": 1, "d": 2}, "trials": 3}
    assert aliases.state({"training": 1}, 1) == {"training": 1}


def test_the_draws_of_an_old_random_search_with_shared_weights_go_on():
    search = build.search(recorded.load(RUNS_FOLDER / "random_ws_cell"))
    state = search.strategy.state_dict()
    bilevel = dict(state["bilevel"])
    generator = torch.Generator().manual_seed(1234).get_state()
    bilevel["relaxation"] = {"alpha": None, "kept": None, "generator": generator}
    del bilevel["sampler"]
    old = {"strategy": {**state, "bilevel": bilevel}, "trials": 0}
    search.strategy.load_state_dict(aliases.state(old, 1)["strategy"])
    found = search.strategy.state_dict()["bilevel"]["sampler"]["generator"]
    assert torch.equal(found, generator)


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_config_is_built(name, monkeypatch):
    monkeypatch.chdir(RUNS_FOLDER)
    config = recorded.load(RUNS_FOLDER / name)
    verb = RUNS[name].verb
    if verb == "search":
        build.search(config)
    elif verb == "audit":
        config.workers = composed(verb="audit").workers
        audit.check(asked(config, "audit"))
    else:
        config.genotype = str(RUNS_FOLDER / name)
        building.network(config)


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        *((name, "retrain") for name in ANSWERED),
        # what is carried over follows from verb and space alone: a run of every space
        *((name, verb) for name in ANSWERED[:2] + ANSWERED[-2:] for verb in ("show", "profile")),
    ],
)
def test_what_follows_from_a_recorded_run_composes(name, verb):
    reference = f"genotype='{RUNS_FOLDER / name}'"
    carried = overrides.rewritten(following.carried(verb, [reference]))
    config = composed(*carried, reference, verb=verb)
    before = reading.config(RUNS_FOLDER / name)
    assert config.space._target_ == before["space"]["_target_"]
    if verb == "retrain" or "table" not in str(before.get("estimator")):
        assert config.data == before["data"]
    else:  # the costs of its networks are those on the table's data, whatever was built
        assert config.data._target_ == "nascli.data.cifar10.Cifar10"
        assert (config.space.channels, config.space.cells_per_stage) == (16, 5)


def test_a_users_config_may_have_old_names(tmp_path):
    (tmp_path / "penalty").mkdir()
    (tmp_path / "penalty" / "mine.yaml").write_text(
        "_target_: nascli.penalties.zero_one.ZeroOne\n_partial_: true\nweight: 2\n"
    )
    config = composed_with("search", ["+penalty@strategy.penalties.mine=mine"], [tmp_path])
    found = config.strategy.penalties.mine._target_
    assert found == "nascli.gradient.penalties.zero_one.ZeroOne"


def test_what_no_config_names_is_still_not_built(tmp_path):
    (tmp_path / "config.yaml").write_text("a:\n- _target_: nascli.penalties.zero_one.ZeroOne\n")
    recorded.load(tmp_path)
    (tmp_path / "config.yaml").write_text("a:\n- _target_: nascli.penalties.os.system\n")
    with pytest.raises(Fault, match="would build 'nascli.gradient.penalties.os.system', which no"):
        recorded.load(tmp_path)
