from pathlib import Path

import pytest
from fixtures import asked, composed

from nascli.config import compare, overrides
from nascli.core.fault import Fault


def test_bare_folders_become_one_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lr=0.1").mkdir()
    words = ["a/b", "x=seconds", "lr=0.1", "it's"]
    assert overrides.gathered(words) == [r"runs=['a/b','lr=0.1','it\'s']", "x=seconds"]
    assert overrides.gathered(["x=seconds"]) == ["x=seconds"]


def test_everything_wrong_with_the_settings_is_said_at_once():
    config = composed("x=querys", "at=-1", verb="compare")
    with pytest.raises(Fault) as caught:
        compare.check(asked(config, "compare"))
    assert str(caught.value).splitlines() == [
        "x 'querys' is not known; allowed: queries, seconds; did you mean 'queries'?",
        "at is -1; it must be a number above 0, or null",
        "say which runs: nas compare RUN..., or a folder that contains them",
    ]


def test_a_sound_config_passes():
    given = ("runs=[a]", "x=seconds", "at=3", "reference={accuracy: 0, flops: 3e8}")
    compare.check(asked(composed(*given, verb="compare"), "compare"))
