"""What a run will take: the sums on a clock of our own, and that trying it changes no answer."""

from functools import partial

import pytest
from fixtures import TINY, TINY_SPACE, asked, composed

from nascli.config import search as config
from nascli.programs import forecast
from nascli.programs.forecast import REPORT_SECONDS, Forecast

SUPERNET = Forecast(before=600, trial=2, trials=100, after=0, memory_mb=410)


class Ticks:
    """A clock that says what it is set to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_the_first_step_and_what_comes_after_the_last_are_no_usual_steps():
    clock = Ticks()
    steps = forecast._Steps(clock)

    def work():
        for seconds in (7, 3, 1, 1, 1):  # before each step: what was before it took so long
            clock.now += seconds
            steps.progress(0.5, "")
        clock.now += 1 + 4  # the last step, and a validation
        steps.progress(1.0, "")

    assert steps.timed(work) == (5 * 1, 18 - 5)
    assert steps.timed(lambda: None) == (0, 0)


@pytest.mark.parametrize(
    ("elapsed", "trials", "before", "left"),
    [
        (0, 0, 0, 800),  # nothing is known yet
        (300, 0, 0.5, 500),  # as forecast
        (600, 0, 0.5, 1000),  # twice as slow
        (350, 25, 1, 150 * 350 / 650),
        (800, 100, 1, 0),
    ],
)
def test_what_is_left_follows_how_fast_the_run_is_beside_its_forecast(
    elapsed, trials, before, left
):
    assert SUPERNET.left(elapsed, trials, before) == pytest.approx(left)


def test_it_is_said_in_a_line():
    said = "forecast: about 13 min 20 s for 100 trials and 410 MB of memory, by a few steps"
    assert forecast.words(SUPERNET, "trial") == said


WORDS = ("strategy=random", "estimator=train", "space=nasbench201", "budget.trials=3", *TINY)
WORDS += (*TINY_SPACE["nasbench201"], "data.images=64")


def parts_of(*words):
    what = asked(composed(*WORDS, *words))
    return config.build(what, survey=False), partial(config.short, what)


def trained(parts):
    """What the search's first proposals come to."""
    last = parts.estimators[-1]
    return [last.estimate(one) for _ in range(2) for one in parts.strategy.ask(1)]


def test_a_forecast_counts_epochs_and_trials_and_changes_no_answer(monkeypatch):
    once = trained(parts_of()[0])
    parts, short = parts_of("training.epochs=4")
    clock, timed = Ticks(), forecast._Steps.timed

    def steady(self, work):
        """Every step takes 2 seconds, all else 3."""
        self._heard = []
        work()
        return 2.0 * len(self._heard), 3.0

    monkeypatch.setattr(forecast._Steps, "timed", steady)
    found = forecast.search(parts, short, 3, clock, worth=0)
    monkeypatch.setattr(forecast._Steps, "timed", timed)
    images = len(parts.problem.task.split("train"))
    assert images <= 5 * 16  # all of them are tried, so steps are those of an epoch: 36 in 16s
    steps = -(-images // 16)
    assert found.trial == pytest.approx(3 + (3 + 4 * 2.0 * steps))  # asked, and estimated
    assert (found.trials, found.before, found.after) == (3, 0, REPORT_SECONDS)
    assert found.memory_mb > 50
    assert trained(parts_of()[0]) == once


def test_there_is_none_of_a_run_that_is_hardly_longer():
    parts, short = parts_of()
    assert forecast.search(parts, short, 3) is None
    assert forecast.search(parts, short, None) is None


def test_one_that_fails_leaves_it_to_the_run_to_say_why():
    parts, _ = parts_of()
    assert forecast.tried(lambda: 1 / 0, parts) is None


def test_paths_are_scored_as_in_the_run_with_statistics_of_all_training_images(monkeypatch):
    parts, short = parts_of("estimator=one_shot", "data.images=512", "training.epochs=2")
    seen, trained = [], []

    def prepared(few, name, split=forecast._Few.split):
        found = split(few, name)
        trained.append(len(found)) if name == "train" and not few.scoring else None
        return found

    def estimated(of, _proposal):
        seen.append(len(of.problem.task.split("train")))

    monkeypatch.setattr(forecast._Few, "split", prepared)
    monkeypatch.setattr(forecast, "_estimated", estimated)
    found = forecast.search(parts, short, 3, worth=0)
    assert seen == [len(parts.problem.task.split("train"))] * 3 == [288] * 3
    assert set(trained) == {10 * 16} and found.before > 0


def test_what_keeps_answers_for_other_runs_gets_none_of_a_forecast(tmp_path, monkeypatch):
    file = tmp_path / "answers.jsonl"
    parts, short = parts_of("estimator=cached", f"estimator.path={file}", "training.epochs=1")
    asked_for = []
    monkeypatch.setattr(
        forecast, "_estimated", lambda of, _one: asked_for.append(type(of.estimators[-1]).__name__)
    )
    assert forecast.search(parts, short, 2, worth=0) is not None
    assert asked_for == ["Train"] * 2 and not file.exists()
