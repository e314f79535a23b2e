import shutil
from pathlib import Path

import pytest
import yaml
from fixtures import asked, composed

from nascli.config import audit, compare, recorded, retrain, search
from nascli.config.command_line import asked_for
from nascli.core.fault import Fault
from nascli.runs import reading

RECORDED = Path(__file__).resolve().parents[2] / "recorded" / "runs"
LOST = object()


def changed(folder, name, key, value):
    """A copy of a recorded run whose config has something else at a dotted key."""
    run = folder / name
    shutil.copytree(RECORDED / name, run)
    file = run / "config.yaml"
    config = yaml.safe_load(file.read_text())
    *above, last = key.split(".")
    node = config
    for part in above:
        node = node[part]
    if value is LOST:
        del node[last]
    else:
        node[last] = value
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return run


VERBS = {"search": search, "audit": audit, "retrain": retrain}
NAMES = {"search": "evolution_table", "audit": "audit_zero_cost", "retrain": "killed_retrain_bench"}


def resumed(run, verb):
    """Begins to go on with a run."""
    config = composed(verb=verb)
    config.resume = str(run)
    VERBS[verb].begin(asked(config, verb))[0].close()


GROUPS = [
    ("search", "space"),
    ("search", "strategy"),
    ("search", "estimator"),
    ("search", "workers"),
    ("audit", "estimator"),
    ("retrain", "data"),
    ("retrain", "training"),
]


@pytest.mark.parametrize("value", [LOST, None, [1], 3, "x", {}, {"_target_": 3}])
@pytest.mark.parametrize(("verb", "key"), GROUPS)
def test_a_group_is_there_and_is_a_component(verb, key, value, tmp_path):
    run = changed(tmp_path, NAMES[verb], key, value)
    with pytest.raises(Fault) as caught:
        resumed(run, verb)
    assert key in str(caught.value)
    assert str(run / "config.yaml") in str(caught.value) or key == "workers"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("device", [1], "device is "),
        ("scalarisation", 0, "scalarisation is "),
        ("budget", 3, "budget is 3; it must be a mapping"),
        ("budget.used", 5, "budget 'used' is not known; allowed: "),
        ("budget.trials", "x", "budget.trials is 'x'; it must be "),
        ("objectives", [1], "objectives is [1]"),
        ("seed", "x", "seed is 'x'"),
        ("seed", LOST, "seed is missing"),
        ("outputs", None, "outputs is null"),
        ("space._recursive_", 1, "space._recursive_ is 1; it must be true or false"),
        ("workers._partial_", "x", "workers._partial_ is 'x'; it must be true or false"),
        ("workers._partial_", False, "workers alone are built in part"),
        ("space._partial_", True, "workers alone are built in part"),
        ("space._convert_", "x", "space._convert_ is 'x'"),
        ("space.channels", "x", "space.channels is 'x'; it must be a whole number"),
        ("workers.x", 3, "key of workers 'x' is not known"),
        ("space._target_", "os.system", "would build 'os.system', which no config"),
        ("space._target_", "nascli.data.digits.Digits", "as space, which no config of space"),
        ("strategy.population", "${oc.env:HOME}", "refers to more than keys of the file itself"),
    ],
)
def test_what_a_config_may_not_hold(key, value, says, tmp_path):
    run = changed(tmp_path, "evolution_table", key, value)
    with pytest.raises(Fault) as caught:
        resumed(run, "search")
    assert says in str(caught.value)
    assert str(run / "config.yaml") in str(caught.value)


@pytest.mark.parametrize("value", [LOST, None, [1], 3, {}])
def test_what_is_compared_is_a_search(value, tmp_path):
    run = changed(tmp_path, "evolution_table", "estimator", value)
    with pytest.raises(Fault, match="estimator is "):
        config = composed(verb="compare")
        config.runs = [str(run)]
        compare.build(asked(config, "compare"))


def test_what_only_this_machine_knows_is_written_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SET", "cifar100")
    words = ["strategy=random", "space=nasbench201", "estimator=table", "device=none"]
    run, _ = search.begin(asked_for("search", [*words, "estimator.dataset=${oc.env:SET}"], []))
    run.close()
    monkeypatch.delenv("SET")
    assert recorded.load(run.path).estimator.dataset == "cifar100"
    assert "estimator.dataset=cifar100" in reading.environment(run.path)["overrides"]
    resumed(run.path, "search")


def test_a_run_folder_starts_no_program_that_the_user_does_not_name(tmp_path):
    run = changed(tmp_path, "evolution_table", "device", {
        "_target_": "nascli.devices.remote.Remote", "command": "touch /tmp/x {network}",
    })  # fmt: skip
    with pytest.raises(Fault, match=r"starts a program on this machine.*device.command='touch"):
        resumed(run, "search")
    config = composed("device=remote")
    config.resume, config.device.command = str(run), "touch /tmp/x {network}"
    given = asked(config, "search", ["device.command=..."])
    search.begin(given)[0].close()
    assert "'device.command='\"'\"'touch" in given.then("search", "resume=x")
    config.device.command = "touch /tmp/y {network}"
    with pytest.raises(Fault, match="starts a program on this machine"):
        search.begin(asked(config, "search", ["device.command=..."]))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("evolution_table", "strategy.population=3"),
        ("evolution_table", "estimator.dataset=cifar10"),
        ("audit_zero_cost", "reference.dataset=cifar10"),
        ("killed_retrain_bench", "training.epochs=3"),
        ("killed_retrain_bench", "space.channels=3"),
    ],
)
def test_a_key_that_may_not_change_is_named_alone(name, word, tmp_path):
    verb = next(verb for verb, run in NAMES.items() if run == name)
    run = shutil.copytree(RECORDED / name, tmp_path / name)
    with pytest.raises(Fault) as caught:
        VERBS[verb].begin(asked_for(verb, [f"resume={run}", word], []))
    assert str(caught.value).startswith(f"{word.partition('=')[0]} cannot change when a run is")


def test_another_device_is_refused_whatever_else_is_given_of_it(tmp_path):
    run = shutil.copytree(RECORDED / "evolution_table", tmp_path / "run")
    words = [f"resume={run}", "device=remote", "device.command='./time {network}'"]
    with pytest.raises(Fault, match="^device cannot change when a run is resumed"):
        VERBS["search"].begin(asked_for("search", words, []))


def test_nothing_is_said_of_parts_that_a_resumed_run_does_not_have():
    run = RECORDED / "evolution_table"
    with pytest.raises(Fault) as caught:
        asked_for("search", [f"resume={run}", "device=remote", "strategy.popluation=3"], [])
    assert str(caught.value).startswith("key 'strategy.popluation' is not known; allowed: ")
    assert "did you mean 'strategy.population'?" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
