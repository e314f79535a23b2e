import json

import pytest

from nascli.core.fault import Fault
from nascli.runs import reading

ENVIRONMENT = {"choices": {"space": "cell"}, "overrides": ["space=cell"], "seed": 3}


def test_what_stands_in_a_folder(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 3\nmine: {channels: 4, again: '${seed}'}\n")
    (tmp_path / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (tmp_path / "report.json").write_text('{"verb": "search"}')
    assert reading.config(tmp_path) == {"seed": 3, "mine": {"channels": 4, "again": 3}}
    assert reading.environment(tmp_path) == ENVIRONMENT
    assert reading.report(tmp_path) == {"verb": "search"}


def test_what_is_not_there_yet(tmp_path):
    assert reading.environment(tmp_path) == {}
    assert reading.report(tmp_path) is None
    with pytest.raises(Fault, match="config.yaml' is not a readable config: .*No such file"):
        reading.config(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: {{{", "is not a readable config"),
        ("a: ${b}", "is not a readable config: Interpolation key 'b' not found"),
        ("[1]", "is not a config of nascli"),
    ],
)
def test_what_is_no_config(tmp_path, text, says):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(Fault, match=says):
        reading.config(tmp_path)


@pytest.mark.parametrize(
    ("file", "read", "text", "says"),
    [
        ("report.json", reading.report, "[", "is damaged: Expecting value"),
        ("report.json", reading.report, "[1]", r"is damaged: it holds \[1\], not an object"),
        ("environment.json", reading.environment, "nothing", "is damaged: Expecting value"),
        ("environment.json", reading.environment, "{}", "is damaged: it has no choices"),
        (
            "environment.json",
            reading.environment,
            '{"choices": {}, "overrides": "a=1"}',
            "is damaged: it has no choices",
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path, file, read, text, says):
    (tmp_path / file).write_text(text)
    with pytest.raises(Fault, match=f"'{tmp_path / file}' {says}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"verb": 3}, "verb is 3; it must be text"),
        ({"seconds": "x"}, "seconds is 'x'; it must be a number of at least 0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"result": [1]}, "result is [1]; it must be an object of numbers"),
        ({"result": {"accuracy": "x"}}, "result.accuracy is 'x'; it must be a number"),
        ({"costs": {"params": None}}, "costs.params is None"),
        ({"trials": {"all": {}}}, "trials.all is {}"),
        ({"final": 3}, "final is 3; it must be an object"),
        ({"final": {"test_accuracy": [1]}}, "final.test_accuracy is [1]"),
        ({"incumbents": {}}, "incumbents is {}; it must be a list"),
        ({"incumbents": [3]}, "incumbents.0 is 3; it must be an object of numbers"),
        ({"incumbents": [{"accuracy": 1}]}, "a row has no 'trial'"),
        ({"front": [{"trial": -1}]}, "trial is -1; it must be a whole number"),
    ],
)
def test_a_report_of_another_kind(tmp_path, change, says):
    file = tmp_path / "report.json"
    good = {"verb": "search", "seconds": 1, "incumbents": [{"trial": 0, "accuracy": 1}]}
    file.write_text(json.dumps(good))
    assert reading.report(tmp_path) == good
    file.write_text(json.dumps(good | change))
    with pytest.raises(Fault) as caught:
        reading.report(tmp_path)
    assert str(caught.value).startswith(f"'{file}' is damaged: {says}")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"choices": {"space": 3}}, "3 is no text"),
        ({"overrides": [["a=1"]]}, "['a=1'] is no text"),
        ({"overrides": ["data.path=${oc.env:HOME}"]}, "refers to more than keys of a config"),
    ],
)
def test_an_environment_of_another_kind(tmp_path, change, says):
    (tmp_path / "environment.json").write_text(json.dumps(ENVIRONMENT | change))
    with pytest.raises(Fault) as caught:
        reading.environment(tmp_path)
    assert says in str(caught.value)
    assert str(tmp_path / "environment.json") in str(caught.value)
