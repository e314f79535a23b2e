import pytest

from nascli.analysis.baselines import compare
from nascli.report import baselines as words
from nascli.report.page import Content, page

ROW = {"params": 1e6, "macs": 2e6, "failed": 0}


def said(found, genotypes=(), **networks):
    scores = {"this genotype": found, **{f"random {n}": s for n, s in enumerate(genotypes, 1)}}
    rows = [
        {**ROW, "network": name, "seeds": len(values)}
        for name, values in {**scores, **networks}.items()
    ]
    return words.lines(compare(found, genotypes, networks), rows)


def spread(number, seeds=2):
    """Genotypes of 90 to 91 %."""
    return [[90 + n / (number - 1), 90.1 + n / (number - 1)][:seeds] for n in range(number)]


def test_better_than_all_of_enough_random_genotypes():
    (line,) = said([91.9, 92.0], spread(19))
    assert line.startswith("better than 19 of 19 random genotypes, by 1.4 points (95 % interval ")
    assert line.endswith("; p = 0.050)")


def test_better_than_all_of_too_few_is_not_shown_and_says_how_many_more_it_takes():
    (line,) = said([91.9, 92.0], spread(5))
    assert line.startswith("not shown to be better than random: better than 5 of 5 random genotyp")
    assert "+1.4 points to their mean (95 % interval" in line and "; p = 0.167); " in line
    assert line.endswith("14 random genotypes more would settle a difference of 1 point")


@pytest.mark.parametrize(
    ("found", "genotypes", "why"),
    [
        ([91.0], spread(5, seeds=1), "no interval: one seed each; p = "),
        ([91.0, 91.2], spread(5)[:1], "no interval: one genotype only; p = "),
        ([90.0, 90.0], [[90.0, 90.0]] * 3, "no interval: all score the same; p = 1.000"),
    ],
)
def test_why_there_is_no_interval(found, genotypes, why):
    (line,) = said(found, genotypes)
    assert f"({why}" in line and "more would" not in line


def test_worse_than_random():
    (line,) = said([80.0, 80.3], spread(5))
    assert line.startswith("worse than random: better than 0 of 5 random genotypes, -10.4 points")


def test_known_networks_are_told_apart_both_ways_or_not():
    lines = said(
        [92.0, 92.1, 92.2],
        a=[90.0, 90.1, 90.2], b=[95.0, 95.1, 95.2], c=[92.0, 92.3, 91.9], d=[70.0],
    )  # fmt: skip
    assert lines[0].startswith("better than a, by 2.0 points (95 % interval 1.8 to 2.2; p = ")
    assert lines[1].startswith("worse than b, by 3.0 points (95 % interval -3.2 to -2.8; p = ")
    assert "Holm-corrected" in lines[0]
    assert lines[2].startswith("no difference shown from c: +0.0 points (95 % interval -0.")
    assert lines[3] == "no difference shown from d: +22.1 points (no interval: one seed each)"


def test_before_training_it_is_said_what_can_be_shown():
    (first, second) = words.plan(18, 3, 5, [], 4)
    assert first == "18 trainings of 4 epochs, 3 seeds each; what is compared: a random genotype"
    assert second == (
        "5 random genotypes: the smallest p that ranks can reach is 0.167; 0.05 takes "
        "random_genotypes=19"
    )
    assert words.plan(60, 3, 19, [], 4)[1].endswith("is 0.050")
    assert (
        "(39 whatever comes of the others: Holm corrects for 2" in words.plan(9, 3, 19, ["a"], 4)[1]
    )
    one = words.plan(7, 1, 5, ["resnet18"], 1)
    assert "Holm" not in one[1] and "no test against known networks; seeds=3" in one[2]
    assert len(words.plan(3, 1, 0, [], 1)) == 1


def test_the_table_has_every_seed_and_what_failed():
    row = {**ROW, "network": "a", "mean_test_accuracy": 90.5, "std_test_accuracy": 0.7071}
    lost = {"network": "b", "params": None, "macs": None, "mean_test_accuracy": None}
    _, rows = words.table(
        [{**row, "test_accuracies": [90.0, 91.0]},
         {**lost, "std_test_accuracy": None, "test_accuracies": []}]
    )  # fmt: skip
    assert rows == [
        ["a", "1.00 M", "2.00 M", "90.50 ± 0.71", "90.00 91.00"],
        ["b", "–", "–", "failed", ""],
    ]


def test_the_page_has_the_verdict_on_top_and_numbers_that_can_be_read():
    whole = page(
        Content(
            {
                "verb": "retrain",
                "problem": {"seed": 0},
                "networks": [{"network": "a", "test_accuracies": [90.123456, 91.0]}],
                "verdict": ["not <b>better</b>", "and so on"],
                "sizes": words.compared({"params": 1000, "cells": 3}, {"params": 2e6, "cells": 5}),
            }
        )
    )
    assert "<p>not &lt;b&gt;better&lt;/b&gt;</p><p>and so on</p>" in whole
    assert "90.12\N{NO-BREAK SPACE}%, 91.00\N{NO-BREAK SPACE}%" in whole and "2.00 M" in whole
    assert whole.index("Verdict") < whole.index("Networks") < whole.index("Problem")


def test_the_accuracies_are_drawn_with_every_seed():
    rows = [
        {"network": "a", "mean_test_accuracy": 90.5, "test_accuracies": [90.0, 91.0]},
        {"network": "b", "mean_test_accuracy": None, "test_accuracies": []},
        {"network": "c", "mean_test_accuracy": 80.0, "test_accuracies": [80.0]},
    ]
    first, second = words.figures(rows)["accuracies"].bars
    assert (first.name, first.interval, first.dots) == ("a", (90.0, 91.0), [90.0, 91.0])
    assert (second.name, second.text) == ("c", "80.00 %")
    assert words.figures(rows[:2]) == {}
