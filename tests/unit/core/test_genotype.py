import json

import pytest

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype

CHOICES = {"1<-0": "skip_connect", "2<-0": "none"}


def test_json_round_trip_keeps_order_and_equality():
    genotype = Genotype.of("toy", CHOICES)
    again = Genotype.from_json(json.loads(json.dumps(genotype.to_json())))
    assert again == genotype
    assert hash(again) == hash(genotype)
    assert list(again.choices) == list(CHOICES)


def test_a_genotype_is_one_readable_line():
    assert str(Genotype.of("toy", CHOICES)) == "toy(1<-0=skip_connect, 2<-0=none)"


def test_choice_by_decision():
    assert Genotype.of("toy", CHOICES)["2<-0"] == "none"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "cell",
        {},
        {"space": "toy"},
        {"space": 3, "choices": CHOICES},
        {"space": "toy", "choices": {}},
        {"space": "toy", "choices": {"a": 1}},
        {"space": "toy", "choices": ["a"]},
    ],
)
def test_foreign_data_is_a_fault(data):
    with pytest.raises(Fault, match="genotype"):
        Genotype.from_json(data)


def test_unknown_names_the_nearest():
    text = unknown("strategy", "drats", ["random", "darts", "drnas"])
    says = "strategy 'drats' is not known; allowed: darts, drnas, random; did you mean 'darts'?"
    assert text == says
    assert "did you mean" not in unknown("strategy", "xyz", ["random", "darts"])
