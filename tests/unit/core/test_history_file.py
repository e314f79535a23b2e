import json
from pathlib import Path

import pytest

from nascli.core import history_file
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.history_file import Entry
from nascli.core.trial import Trial

FILE = Path("run") / "history.jsonl"


def trial(number):
    return Trial(number, Genotype.of("toy", {"a": "0"}), 0.5, {"accuracy": number / 7}, asked=3)


def test_lines_come_back_as_they_were():
    data = history_file.line(trial(0), used=0.5, elapsed=1.25) + b"\n" + history_file.line(trial(1))
    data += history_file.line(trial(2), used=0.0, elapsed=0.0)
    assert list(history_file.entries(data, FILE)) == [
        Entry(trial(0), "'run/history.jsonl', line 1", 0.5, 1.25),
        Entry(trial(1), "'run/history.jsonl', line 3", None, None),
        Entry(trial(2), "'run/history.jsonl', line 4", 0.0, 0.0),
    ]


def test_a_line_without_an_end_is_left_out():
    data = history_file.line(trial(0))
    assert history_file.whole(data + data[:-1]) == data
    assert [entry.trial for entry in history_file.entries(data + data[:-1], FILE)] == [trial(0)]
    assert history_file.whole(data[:-1]) == b""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"genotype": None}, "a genotype is a JSON object"),
        ({"fidelity": 0}, "fidelity is 0; it must be above 0 and at most 1"),
        ({"fidelity": 1.5}, "fidelity is 1.5; it must be"),
        ({"number": "x"}, "number is 'x'; it must be a whole number of at least 0"),
        ({"metrics": []}, "metrics is []; it must be an object of numbers"),
        ({"used": "1"}, "used is '1'; it must be a number of at least 0"),
        ({"elapsed": -1.0}, "elapsed is -1.0; it must be a number"),
        ({"elapsed": float("nan")}, "elapsed is nan; it must be a number"),
        ({"used": True}, "used is True; it must be a number"),
        ({"fidelity": float("nan")}, "fidelity is nan; it must be above 0"),
        ({"fidelity": True}, "fidelity is True; it must be above 0"),
        ({"seconds": float("inf")}, "seconds is inf; it must be a number of at least 0"),
        ({"seconds": None}, "seconds is None; it must be a number of at least 0"),
        ({"number": -1}, "number is -1; it must be a whole number"),
        ({"number": 10**400}, "100000000000000000000000000000... has more than 64 bits"),
        ({"asked": 2.5}, "asked is 2.5; it must be a whole number"),
        ({"metrics": {"accuracy": "9"}}, "metrics.accuracy is '9'; it must be a number"),
        ({"error": 3}, "error is 3; it must be text or null"),
        ({"infeasible": []}, "infeasible is []; it must be text or null"),
    ],
)
def test_a_damaged_line_is_named(change, says):
    good = history_file.line(trial(0), used=1.0)
    bad = json.dumps({**json.loads(good), **change}).encode() + b"\n"
    with pytest.raises(Fault) as caught:
        list(history_file.entries(good + bad, FILE))
    assert str(caught.value).startswith(f"'{FILE}', line 2 is damaged: {says}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"nonsense", "Expecting value"),
        (b'{"number": 0}', "not a trial, for it has no 'fidelity': {'number': 0}"),
        (b"[1]", "not a trial: [1]"),
        (b"\xff", "'utf-8' codec can't decode"),
        (b"[" * 100_000, "it is more than 50 lists and objects deep"),
    ],
)
def test_what_is_no_trial_is_named(line, says):
    with pytest.raises(Fault) as caught:
        list(history_file.entries(line + b"\n", FILE))
    assert str(caught.value).startswith(f"'{FILE}', line 1 is damaged: {says}")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(Fault, match="cannot read '.*history.jsonl': No such file"):
        history_file.read(tmp_path / "history.jsonl")
