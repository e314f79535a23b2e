import json
import os

import pytest

from nascli.core import plain
from nascli.core.fault import Fault


def test_what_is_written_here_comes_back():
    data = {"a": [1, -2.5, None, True, "é"], "b": {"c": 2**63 - 1, "d": float("inf")}}
    assert plain.parsed(json.dumps(data)) == plain.parsed(json.dumps(data).encode()) == data


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 51 + "]" * 51, "more than 50 lists and objects deep"),
        ("[" * 100_000, "more than 50 lists and objects deep"),
        ("9" * 5000, "has more than 64 bits"),
        (str(2**63), "has more than 64 bits"),
        (f"[-{'9' * 40}]", "has more than 64 bits"),
        ('["\\ud800"]', "surrogates not allowed"),
        ("", "Expecting value"),
        ("{} {}", "Extra data"),
        (b"\xff", "can't decode"),
    ],
)
def test_what_nobody_writes_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        plain.parsed(text)


def test_fifty_levels_are_read():
    assert plain.parsed("[" * 50 + "]" * 50)


@pytest.mark.parametrize("value", [-1, 1.0, True, "1", None, 2**63, [1]])
def test_a_whole_number(value):
    with pytest.raises(Fault, match=r"^n is .*; it must be a whole number of at least 0$"):
        plain.whole({"n": value}, "n")
    assert plain.whole({"n": 7}, "n") == 7


@pytest.mark.parametrize("value", [-0.5, float("inf"), float("nan"), True, "1", None, 10**400])
def test_an_amount(value):
    with pytest.raises(Fault, match=r"^n is .*; it must be a number of at least 0$"):
        plain.amount({"n": value}, "n")
    assert plain.amount({"n": 7}, "n") == 7.0


@pytest.mark.parametrize("value", ["1", None, 10**40, [], {}])
def test_numbers_keep_how_they_are_written(value):
    assert repr(plain.numbers({"m": {"a": 1, "b": 1.0}}, "m")) == "{'a': 1, 'b': 1.0}"
    with pytest.raises(Fault, match=r"^m.a is .*; it must be a number$"):
        plain.numbers({"m": {"a": value}}, "m")
    with pytest.raises(Fault, match=r"^m is .*; it must be an object of numbers$"):
        plain.numbers({"m": value if value != {} else []}, "m")


def test_a_file_that_is_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Fault, match="pipe is a named pipe; it must be a regular file"):
        plain.json_object(tmp_path / "pipe", 100)
    (tmp_path / "long").write_text('{"a": 1}')
    with pytest.raises(Fault, match="the most that is read are 7"):
        plain.json_object(tmp_path / "long", 7)
    assert plain.json_object(tmp_path / "long", 8) == {"a": 1}
    with pytest.raises(FileNotFoundError):
        plain.json_object(tmp_path / "nothing", 8)
