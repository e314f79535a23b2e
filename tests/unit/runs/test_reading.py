import json

import pytest

from nascli.core.fault import Fault
from nascli.runs import reading

ENVIRONMENT = {"choices": {"space": "cell"}, "overrides": ["space=cell"], "seed": 3}


def test_what_stands_in_a_folder(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 3\nspace: {channels: 4, again: '${seed}'}\n")
    (tmp_path / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (tmp_path / "report.json").write_text('{"verb": "search"}')
    assert reading.config(tmp_path) == {"seed": 3, "space": {"channels": 4, "again": 3}}
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
