import json

import pytest

from nascli.config.following import carried
from nascli.core.fault import Fault


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
    kept = carried("retrain", [f"genotype={run}"])
    assert kept == ["space=cell", "data=image_folder", "data.path='/my photos'", "space.nodes=3"]


def test_a_space_of_the_users_own_is_found_by_its_file_and_not_by_the_name_in_it(run):
    told = json.loads((run / "environment.json").read_text())
    told["choices"]["space"] = "mine"  # mine.yaml, whose genotypes are of `cell`
    told["overrides"][1] = "space=mine"
    (run / "environment.json").write_text(json.dumps(told))
    for verb in ("retrain", "show"):
        kept = carried(verb, [f"genotype={run}"])
        assert [o for o in kept if o.startswith("space=")] == ["space=mine"]
    assert "space=mine" not in carried("show", [f"genotype={run}", "space=cell"])


def test_what_the_user_says_wins(run):
    kept = carried("retrain", [f"genotype={run}", "data=digits", "space.nodes=2"])
    assert kept == ["space=cell"]


@pytest.mark.parametrize(("rule", "kept"), [(None, True), (1, True), (2, False)])
def test_a_run_from_before_the_splits_had_rules_keeps_its_own(run, rule, kept):
    data = {"_target_": "nascli.data.image_folder.ImageFolder"}
    data |= {} if rule is None else {"split_rule": rule}
    (run / "config.yaml").write_text(json.dumps({"data": data}))
    found = carried("retrain", [f"genotype={run}"])
    assert ("data.split_rule=1" in found) is kept
    chosen = carried("retrain", [f"genotype={run}", "data.split_rule=2"])
    assert "data.split_rule=1" not in chosen


def test_who_only_looks_gets_the_runs_networks(run):
    assert "training=search" in carried("show", [f"genotype={run}"])


@pytest.mark.parametrize(("given", "kept"), [({}, False), ({"channels": 4}, True)])
def test_what_a_recipe_has_no_size_for_is_of_a_retraining_as_of_its_search(run, given, kept):
    """The recipe overrules a searched size that it has itself; the others stay."""
    told = json.loads((run / "environment.json").read_text())
    told["overrides"].append("space.channels=4")
    (run / "environment.json").write_text(json.dumps(told))
    sizes = {"cell": {"channels": 36}, "nasbench201": {"nodes": 5}, "given": given}
    (run / "config.yaml").write_text(json.dumps({"training": {"network": sizes}}))
    found = carried("show", [f"genotype={run}"])
    assert "space.nodes=3" in found and ("space.channels=4" in found) is kept


def test_a_resumed_run_whose_images_have_moved_keeps_its_kind_of_data(run):
    moved = [f"resume='{run}'", "data.path=/elsewhere"]
    assert carried("search", moved) == ["data=image_folder"]
    assert carried("search", [*moved, "data=arrays"]) == []
    assert carried("search", moved[:1]) == []


def test_a_resumed_run_keeps_every_component_of_which_a_key_is_given(run):
    told = json.loads((run / "environment.json").read_text())
    told["choices"] |= {"device": "remote", "estimator@reference": "table", "workers": None}
    (run / "environment.json").write_text(json.dumps(told))
    keys = [f"resume='{run}'", "device.command=x", "strategy.warmup=1", "reference.path=x"]
    kept = ["strategy=darts", "device=remote"]
    assert carried("search", [*keys, "workers.count=2", "budget.trials=3"]) == kept
    assert carried("audit", keys) == ["device=remote", "estimator@reference=table"]


def test_several_genotypes_are_of_one_space():
    assert carried("retrain", ["genotype=darts_v1,darts_v2"]) == ["space=cell"]
    with pytest.raises(Fault, match="nonsense"):
        carried("retrain", ["genotype=darts_v1,nonsense"])


def test_a_search_takes_nothing_along():
    assert carried("search", ["genotype=darts_v2"]) == []
    assert carried("retrain", []) == []


def test_a_damaged_environment_is_a_fault(run):
    (run / "environment.json").write_text("[1]")
    with pytest.raises(Fault, match="is damaged"):
        carried("retrain", [f"genotype={run}"])
