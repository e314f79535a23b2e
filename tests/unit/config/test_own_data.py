"""A search on a table speaks of the table's data, and so does all that goes on from it."""

import json
from dataclasses import replace

import pytest
from fixtures import asked, build, composed
from omegaconf import OmegaConf

from nascli.config import following, own_data
from nascli.config import search as parts_of
from nascli.config.command_line import asked_for
from nascli.core.provenance import Provenance

TABLE = ("strategy=random", "space=nasbench201", "estimator=table", "device=none")


def wanted(*words):
    return asked_for("search", [*TABLE, *words], [])


@pytest.mark.parametrize(
    ("dataset", "classes", "side"),
    [("cifar10", 10, 32), ("cifar100", 100, 32), ("imagenet16", 120, 16)],
)
def test_what_is_built_is_what_the_table_is_of(dataset, classes, side):
    found = wanted(f"estimator.dataset={dataset}")
    problem = parts_of.build(found, survey=False).problem
    task, space = problem.task, problem.space
    assert (task.name, task.input_shape, task.classes) == (dataset, (3, side, side), classes)
    assert (space.channels, space.cells_per_stage) == (16, 5)  # of the published networks
    assert found.choices["data"] == dataset
    assert f"data={dataset}" in found.overrides  # for what goes on from the run
    assert parts_of.build(found, survey=False).notice is None


def test_an_estimator_inside_of_another_counts():
    words = ("estimator=cached", "estimator@estimator.of=table", "estimator.path=kept.jsonl")
    assert wanted(*words[:2]).choices["data"] == "cifar10"


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        (("device=cpu",), ("training", "device")),
        (("estimator=zero_cost", "device=cpu"), ()),
        (("estimator=train", "device=none"), ("device",)),
        (("strategy=screening", "estimator@strategy.by=table"), ("device",)),
    ],
)
def test_what_plays_no_part_is_known(words, idle):
    assert parts_of.build(wanted(*words), survey=False).idle == idle


@pytest.mark.parametrize("words", [("estimator=zero_cost",), ("estimator.path=mine.csv",)])
def test_others_are_of_the_task(words):
    found = own_data.followed(asked(composed(*TABLE, *words)))
    assert found.config.data._target_ == "nascli.data.digits.Digits"


def test_chosen_data_stay_and_the_mismatch_is_said():
    found = wanted("data=synthetic", "data.images=96")
    parts = parts_of.build(found, survey=False)
    assert parts.problem.task.name == "synthetic"
    assert parts.notice == (
        "results are not of the same networks (estimator: cifar10 (3x32x32, 10 classes, "
        "channels 16, cells per stage 5); everything else: synthetic (3x8x8, 4 classes, "
        "channels 8, cells per stage 1))"
    )
    looked_up = ("estimator=zero_cost", "device=nasbench201_devices", "device.setting=fpga")
    of_the_device = parts_of.build(wanted("data=synthetic", *looked_up), survey=False).notice
    assert of_the_device.startswith("results are not of the same networks (device: cifar10 (3x32")
    small = parts_of.build(wanted("space.channels=4"), survey=False)
    assert "everything else: cifar10 (3x32x32, 10 classes, channels 4" in small.notice


def test_an_audit_says_that_it_compares_across_data():
    def notice(*words):
        config = composed(*words, verb="audit")
        problem = build.stated(config)
        return own_data.mismatch(config, problem, "estimator", "reference")

    assert "reference: cifar10 (3x32x32" in notice()
    assert "estimator: digits (1x8x8" in notice()
    published = ("data=cifar10", "training=nasbench201")
    assert notice(*published) is None
    assert notice("estimator=table") is None  # whatever the data are
    assert "imagenet16" in notice("estimator=table", "reference.dataset=imagenet16")
    assert notice("estimator@reference=train") is None


def test_runs_of_before_are_shown_and_compared_as_of_the_table(tmp_path):
    """Their configs name data that played no part."""
    before = tmp_path / "before"
    before.mkdir()
    config = composed(*TABLE)
    OmegaConf.save(config, before / "config.yaml", resolve=True)
    record = {"choices": {"data": "digits", "space": "nasbench201"}, "overrides": list(TABLE)}
    (before / "environment.json").write_text(json.dumps(record))
    assert following._recorded(before, "show", "nasbench201")[-3:] == [
        "data=cifar10", "space.channels=16", "space.cells_per_stage=5",
    ]  # fmt: skip
    assert "data=digits" not in following._recorded(
        before / "front" / "3.json", "show", "nasbench201"
    )
    assert "data=digits" in following._recorded(
        before, "retrain", "nasbench201"
    )  # as it always was
    record["overrides"] += ["data=synthetic", "data.images=96"]
    (before / "environment.json").write_text(json.dumps(record))
    assert "data=cifar10" not in following._recorded(before, "show", "nasbench201")

    old = OmegaConf.to_container(config, resolve=True)
    new = wanted().plain()
    choices = ({"data": "digits"}, {"data": "cifar10"})
    for plain, chosen in zip((old, new), choices, strict=True):
        own_data.as_followed(plain, chosen)
    assert old["data"] == new["data"]
    assert old["space"] == new["space"]
    assert choices[0] == choices[1]


def test_provenance_in_words():
    one = Provenance("cifar10", (3, 32, 32), 10, {"cells_per_stage": 5})
    assert str(one) == "cifar10 (3x32x32, 10 classes, cells per stage 5)"
    assert str(replace(one, sizes={})) == "cifar10 (3x32x32, 10 classes)"
