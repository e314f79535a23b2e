import dataclasses
import random

import pytest
from fixtures import drawn_words as words

from nascli.core.genotype import Genotype
from nascli.core.goal import Goal, Objective
from nascli.core.trial import History, Trial
from nascli.report import canvas, figures


def trial(number, **metrics):
    more = {key: metrics.pop(key) for key in ("error", "infeasible") if key in metrics}
    return Trial(number, Genotype("toy", ("a",), (str(number),)), 1.0, metrics, 1.0, **more)


@pytest.fixture
def history():
    rng = random.Random(0)
    trials = [
        trial(n, accuracy=rng.uniform(80, 90), params=1e5 + 1e4 * n, latency_ms=1.0 + n)
        for n in range(20)
    ]
    return History([*trials, trial(20, error="no"), trial(21, params=1e9, infeasible="params")])


def test_a_search_shows_its_objective_over_trials_and_over_each_cost(history, problem):
    drawn = figures.search(history, problem)
    assert list(drawn) == ["anytime", "accuracy_over_params", "accuracy_over_latency_ms"]
    assert {"accuracy (%)", "trials", "best so far", "trial"} <= words(drawn["anytime"])
    assert {"accuracy (%)", "parameters"} <= words(drawn["accuracy_over_params"])
    assert "latency (ms)" in words(drawn["accuracy_over_latency_ms"])


def test_a_cost_that_is_the_objective_or_never_varies_is_left_out(problem):
    alike = History([trial(n, accuracy=80.0 + n, params=5.0, latency_ms=1.0 + n) for n in range(4)])
    fast = dataclasses.replace(problem, goal=Goal(objectives=(Objective("latency_ms", "min"),)))
    assert list(figures.search(alike, problem)) == ["anytime", "accuracy_over_latency_ms"]
    assert list(figures.search(alike, fast)) == ["anytime"]


def test_nothing_good_gives_no_figure(problem):
    assert figures.search(History(), problem) == {}
    assert figures.search(History([trial(0, error="no")]), problem) == {}


def test_one_trial_is_enough(problem):
    assert list(figures.search(History([trial(0, accuracy=50.0, params=3.0)]), problem)) == [
        "anytime"
    ]


def test_dots_outside_are_counted(problem):
    values = [10.0, 11.0] + [90 + 0.1 * n for n in range(20)]  # two far below all others
    history = History([trial(n, accuracy=value) for n, value in enumerate(values)])
    assert "trial (2 outside the figure)" in words(figures.search(history, problem)["anytime"])


def test_front_keeps_what_nothing_beats(problem):
    points = [(5, 80), (1, 60), (3, 70), (2, 60), (4, 65), (5, 85)]
    trials = [trial(n, params=float(p), accuracy=float(a)) for n, (p, a) in enumerate(points)]
    kept = figures.front(trials, "params", problem)
    assert [(t.metrics["params"], t.metrics["accuracy"]) for t in kept] == [
        (1, 60),
        (3, 70),
        (5, 85),
    ]


def test_a_name_from_the_user_makes_a_plain_file_name(problem):
    odd = dataclasses.replace(problem, goal=Goal(objectives=(Objective("../a$b<c>", "max"),)))
    trials = [trial(n, **{"../a$b<c>": float(n), "params": float(n)}) for n in range(3)]
    drawn = figures.search(History(trials), odd)
    assert list(drawn) == ["anytime", "___a_b_c__over_params"]
    assert "../a$b<c>" in words(drawn["anytime"])


def test_many_dots_become_one_picture(problem):
    trials = [trial(n, accuracy=50.0 + n % 40) for n in range(2001)]
    few = figures.search(History(trials[:2000]), problem)["anytime"]
    many = figures.search(History(trials), problem)["anytime"]
    assert "<image" in canvas.svg(many)
    assert "<image" not in canvas.svg(few)


def test_every_dot_knows_its_trial(history, problem):
    (chart,) = figures.search(history, problem)["accuracy_over_params"]
    for series in chart.series:
        for x, y, number in zip(series.x, series.y, series.trials, strict=True):
            assert (x, y) == (1e5 + 1e4 * number, history[number].metrics["accuracy"])
