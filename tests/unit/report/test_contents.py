"""What the page of a search is made of."""

import random

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.trial import History, Trial
from nascli.report import contents, summary


def history(toy, count):
    rng = random.Random(0)
    trials = []
    for n in range(count):
        options = tuple(rng.choice(allowed) for allowed in toy.decisions.values())
        genotype = Genotype(toy.name, tuple(toy.decisions), options)
        trials.append(Trial(n, genotype, 1.0, {"accuracy": rng.random()}, 1.0))
    return History(trials)


def test_a_search_has_its_trials_drawings_and_what_matters(problem: Problem):
    trials = history(problem.space, 40)
    best = trials.answer(problem.goal)
    report = summary.search(trials, problem, best, 1.0, {}) | {"unit": "epoch"}
    found = contents.search(trials, problem, report, best, notes=["a note"])
    assert found.trials["number"] == list(range(40)) and found.notes == ["a note"]
    assert {"anytime", "importance_of_decisions"} <= set(found.figures)
    assert found.figures["anytime"][0].x == "epochs"
    told = {trial.number for trial in trials.incumbents(problem.goal)}
    assert set(found.trials["told"]) == set(found.trials["drawings"]) == told
    assert set(found.drawings) == set(found.narrow)


def test_a_search_without_an_answer_has_a_page_too(problem):
    report = summary.search(History(), problem, None, 1.0, {})
    found = contents.search(History(), problem, report, None)
    assert found.figures == {} and found.drawings == {}


def test_many_incumbents_are_thinned_out_but_for_the_last():
    numbers = list(range(500))
    few = contents._few(numbers)
    assert len(few) <= 32 and few[0] == 0 and few[-1] == 499


def test_weights_have_a_plot_a_choice_and_a_line_an_option():
    way = [{"a": {"x": 0.5, "y": 0.5}, "b": {"only": 1.0}}, {"a": {"x": 0.7, "y": 0.3}}]
    (chart,) = contents.weights(way)["architecture_weights"]  # one option is no choice
    assert [(line.name, list(line.x), list(line.y)) for line in chart.series] == [
        ("x", [1, 2], [0.5, 0.7]),
        ("y", [1, 2], [0.5, 0.3]),
    ]
    assert contents.weights([]) == contents.weights([{}]) == {}


def test_latencies_are_shown_of_layers_that_were_timed():
    rows = [
        {"layer": "a", "operation": "conv", "latency_ms": 0.5},
        {"layer": "b", "operation": "c"},
    ]
    (bar,) = contents.latencies(rows)["latency_per_layer"].bars
    assert (bar.name, bar.value, bar.text) == ("a · conv", 0.5, "0.5 ms")
    assert contents.latencies(rows[1:]) == {}
