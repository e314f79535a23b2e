"""What network.json holds, and that nothing else passes for one."""

import json
from dataclasses import replace

import pytest

from nascli.core.fault import Fault
from nascli.runs import card as cards
from nascli.runs.card import Card

CARD = Card(
    "normal = skip", "photos", (3, 8, 9), "uint8", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0),
    ("a", "b"), {"params": 12.0, "macs": 34.5},
)  # fmt: skip


def written(folder, said):
    (folder / cards.FILE).write_text(said if isinstance(said, str) else json.dumps(said))
    return folder


def test_it_comes_back_as_it_was(tmp_path):
    for card in (CARD, replace(CARD, pixels="float32", class_names=("ü", "b c"))):
        assert cards.read(written(tmp_path, card.to_json())) == card


def test_a_folder_without_one(tmp_path):
    assert cards.read(tmp_path) is None


def test_it_is_what_a_space_asks_of_a_task():
    assert (CARD.name, CARD.input_shape, CARD.classes) == ("photos", (3, 8, 9), 2)


@pytest.mark.parametrize(
    "change",
    [
        {"input_shape": [3, 8]},
        {"input_shape": [3, 0, 9]},
        {"input_shape": [3, 10**30, 9]},
        {"pixels": "uint16"},
        {"mean": [1, 2]},
        {"mean": [1, 2, float("nan")]},
        {"std": [1, 2, 0]},
        {"std": "abc"},
        {"class_names": None},
        {"costs": [1]},
        {"costs": {"params": "x"}},
    ],
)
def test_a_damaged_one_is_named(tmp_path, change):
    with pytest.raises(Fault, match=r"network\.json' is damaged"):
        cards.read(written(tmp_path, {**CARD.to_json(), **change}))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", "[" * 100_000, '{"format": 1}', "\ud83d"]
)
def test_what_is_no_card_at_all(tmp_path, text):
    (tmp_path / cards.FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Fault, match=r"network\.json' is damaged"):
        cards.read(tmp_path)


def test_one_of_a_newer_version(tmp_path):
    with pytest.raises(Fault, match="newer version"):
        cards.read(written(tmp_path, {**CARD.to_json(), "format": 2}))
