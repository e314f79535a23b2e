import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nascli.config import overrides
from nascli.core.fault import Fault

STRING = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|none~2|"


def test_flags_and_overrides_are_told_apart():
    arguments = ["-m", "seed=1", "--config-dir", "mine", "--cfg", "job", "space=cell"]
    flags, rest = overrides.split(arguments, ("--config-dir", "--cfg"))
    assert flags == ["-m", "--config-dir", "mine", "--cfg", "job"]
    assert rest == ["seed=1", "space=cell"]


def test_a_config_folder_must_exist(tmp_path):
    assert overrides.directories(["--config-dir", str(tmp_path)]) == [tmp_path.resolve()]
    assert overrides.directories([f"--config-dir={tmp_path}"]) == [tmp_path.resolve()]
    with pytest.raises(Fault, match="no such folder"):
        overrides.directories(["--config-dir", str(tmp_path / "none")])


@pytest.mark.parametrize(
    ("given", "ready"),
    [
        ("genotype=darts_v2", "genotype=darts_v2"),
        ("genotype=outputs/search/2026-01-31_14-05-09_darts_cell",) * 2,
        (f"genotype={STRING}", f"genotype='{STRING}'"),
        ("data.path=/my photos/a(b)", "data.path='/my photos/a(b)'"),
        ("data.path='/already/quoted'", "data.path='/already/quoted'"),
        ("training.gradient_clip=.inf", "training.gradient_clip=inf"),  # as YAML files write it
        ("genotype=darts_v1,darts_v2", "genotype=darts_v1,darts_v2"),
        ("outputs=it's", "outputs='it\\'s'"),
        ("objectives={accuracy: max}", "objectives={accuracy: max}"),
        ("outputs=new,out=1", "outputs='new,out=1'"),
        ("resume=3", "resume='3'"),
        ("outputs=1e3", "outputs='1e3'"),
        ("outputs=true", "outputs='true'"),
        ("genotype=null", "genotype=null"),
        ("data.path=${outputs}/x", "data.path=${outputs}/x"),
        (f"data.path={'1,' * 300}", f"data.path='{'1,' * 300}'"),
    ],
)
def test_what_hydra_cannot_read_bare_is_quoted(given, ready):
    assert overrides.quoted([given]) == [ready]


@pytest.mark.parametrize(
    "given", [f"genotype={STRING}", "data.path=/my photos/a(b)", "outputs=it's"]
)
def test_hydra_reads_back_what_was_meant(given):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (ready,) = overrides.quoted([given])
    assert OverridesParser.create().parse_override(ready).value() == given.partition("=")[2]


def test_commas_go_over_paths_in_a_multirun_alone():
    assert overrides.quoted(["outputs=a,b"], multirun=True) == ["outputs=a,b"]
    assert overrides.quoted(["outputs=a,b"]) == ["outputs='a,b'"]
    assert overrides.quoted(["outputs=a,b=1"], multirun=True) == ["outputs='a,b=1'"]


def test_what_is_there_is_a_path_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lr=0.1,seed=1").mkdir()
    shown = overrides.positional("show", "lr=0.1,seed=1", ("show",))
    assert overrides.quoted([shown]) == ["genotype='lr=0.1,seed=1'"]
    with pytest.raises(Fault, match="folder 'lr=0.1,seed=1' has no genotype.json"):
        overrides.carried("show", overrides.quoted([shown]))


@pytest.mark.parametrize("text", [",".join(map(str, range(300))), "{" * 5000, "a\0b", "|" * 300])
def test_a_value_that_can_be_no_path_is_no_crash(text):
    assert overrides.positional("show", text, ("show",)) == f"genotype={text}"
    with pytest.raises(Fault, match="no file or run folder|NAS-Bench-201"):
        overrides.carried("show", overrides.quoted([f"genotype={text}"]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.5), "0.5"),
        (np.array(3), "3"),
        (np.array([1, 2]), "[1,2]"),
        (np.array([[0.5], [1.0]]), "[[0.5],[1.0]]"),
        (np.array(["a", "b c"]), "[a,'b c']"),
        (torch.tensor([1.0, 2.0]), "[1.0,2.0]"),
        ([np.int64(3), np.bool_(True)], "[3,true]"),
    ],
)
def test_arrays_are_lists(value, text):
    assert overrides.written(value) == text


def test_keys_of_the_users_own_are_added_and_sizes_beat_the_recipe():
    assert overrides.rewritten(["constraints.params=3", "seed=1"]) == [
        "++constraints.params=3",
        "seed=1",
    ]
    replaced = overrides.rewritten(["objectives={macs: min}"])
    assert replaced == ["~objectives", "+objectives={macs: min}"]
    sized = overrides.rewritten(["space.channels=8"])
    assert sized == ["space.channels=8", "++training.network.given.channels=${space.channels}"]


def test_positional_arguments_are_genotypes():
    assert overrides.positional("show", "darts_v2", ("show",)) == "genotype=darts_v2"
    assert overrides.positional("show", STRING, ("show",)) == f"genotype={STRING}"
    assert overrides.positional("show", "data=digits", ("show",)) == "data=digits"
    assert overrides.positional("search", "seed", ("show",)) == "seed"


@pytest.fixture
def run(tmp_path):
    choices = {f"normal/{n}/{k}": "0+1" for n in (2, 3) for k in ("inputs", "first", "second")}
    genotype = {"format": "nascli-genotype-1", "space": "cell", "choices": choices}
    (tmp_path / "genotype.json").write_text(json.dumps(genotype))
    environment = {
        "choices": {"data": "image_folder", "training": "search", "strategy": "darts"},
        "overrides": [
            "strategy=darts",
            "space=cell",
            "data=image_folder",
            "data.path='/my photos'",
            "space.nodes=3",
            "++training.network.given.nodes=${space.nodes}",
            "data._target_=os.system",
            "seed=3",
        ],
    }
    (tmp_path / "environment.json").write_text(json.dumps(environment))
    return tmp_path


def test_a_runs_space_and_data_come_along(run):
    kept = overrides.carried("retrain", [f"genotype={run}"])
    assert kept == ["space=cell", "data=image_folder", "data.path='/my photos'", "space.nodes=3"]


def test_a_space_of_the_users_own_is_found_by_its_file_and_not_by_the_name_in_it(run):
    told = json.loads((run / "environment.json").read_text())
    told["choices"]["space"] = "mine"  # mine.yaml, whose genotypes are of `cell`
    told["overrides"][1] = "space=mine"
    (run / "environment.json").write_text(json.dumps(told))
    for verb in ("retrain", "show"):
        kept = overrides.carried(verb, [f"genotype={run}"])
        assert [o for o in kept if o.startswith("space=")] == ["space=mine"]
    assert "space=mine" not in overrides.carried("show", [f"genotype={run}", "space=cell"])


def test_what_the_user_says_wins(run):
    kept = overrides.carried("retrain", [f"genotype={run}", "data=digits", "space.nodes=2"])
    assert kept == ["space=cell"]


@pytest.mark.parametrize(("rule", "kept"), [(None, True), (1, True), (2, False)])
def test_a_run_from_before_the_splits_had_rules_keeps_its_own(run, rule, kept):
    data = {"_target_": "nascli.data.image_folder.ImageFolder"}
    data |= {} if rule is None else {"split_rule": rule}
    (run / "config.yaml").write_text(json.dumps({"data": data}))
    found = overrides.carried("retrain", [f"genotype={run}"])
    assert ("data.split_rule=1" in found) is kept
    chosen = overrides.carried("retrain", [f"genotype={run}", "data.split_rule=2"])
    assert "data.split_rule=1" not in chosen


def test_who_only_looks_gets_the_runs_networks(run):
    assert "training=search" in overrides.carried("show", [f"genotype={run}"])


@pytest.mark.parametrize(("given", "kept"), [({}, False), ({"channels": 4}, True)])
def test_what_a_recipe_has_no_size_for_is_of_a_retraining_as_of_its_search(run, given, kept):
    """The recipe overrules a searched size that it has itself; the others stay."""
    told = json.loads((run / "environment.json").read_text())
    told["overrides"].append("space.channels=4")
    (run / "environment.json").write_text(json.dumps(told))
    sizes = {"cell": {"channels": 36}, "nasbench201": {"nodes": 5}, "given": given}
    (run / "config.yaml").write_text(json.dumps({"training": {"network": sizes}}))
    found = overrides.carried("show", [f"genotype={run}"])
    assert "space.nodes=3" in found and ("space.channels=4" in found) is kept


def test_a_resumed_run_whose_images_have_moved_keeps_its_kind_of_data(run):
    moved = [f"resume='{run}'", "data.path=/elsewhere"]
    assert overrides.carried("search", moved) == ["data=image_folder"]
    assert overrides.carried("search", [*moved, "data=arrays"]) == []
    assert overrides.carried("search", moved[:1]) == []


def test_a_resumed_run_keeps_every_component_of_which_a_key_is_given(run):
    told = json.loads((run / "environment.json").read_text())
    told["choices"] |= {"device": "remote", "estimator@reference": "table", "workers": None}
    (run / "environment.json").write_text(json.dumps(told))
    keys = [f"resume='{run}'", "device.command=x", "strategy.warmup=1", "reference.path=x"]
    kept = ["strategy=darts", "device=remote"]
    assert overrides.carried("search", [*keys, "workers.count=2", "budget.trials=3"]) == kept
    assert overrides.carried("audit", keys) == ["device=remote", "estimator@reference=table"]


def test_several_genotypes_are_of_one_space():
    assert overrides.carried("retrain", ["genotype=darts_v1,darts_v2"]) == ["space=cell"]
    with pytest.raises(Fault, match="nonsense"):
        overrides.carried("retrain", ["genotype=darts_v1,nonsense"])


def test_a_search_takes_nothing_along():
    assert overrides.carried("search", ["genotype=darts_v2"]) == []
    assert overrides.carried("retrain", []) == []


def test_a_damaged_environment_is_a_fault(run):
    (run / "environment.json").write_text("[1]")
    with pytest.raises(Fault, match="is damaged"):
        overrides.carried("retrain", [f"genotype={run}"])
