"""What a run will take: the sums on a clock of our own, and that trying it changes no answer."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from fixtures import TINY, TINY_SPACE, asked, composed

from nascli.config import search as config
from nascli.core.device import Latency
from nascli.core.genotype import Genotype
from nascli.core.trial import Trial
from nascli.kernels.native import library
from nascli.programs import forecast, timing, tries
from nascli.programs.forecast import REPORT_SECONDS, Forecast
from nascli.supernet.scoring import Scoring

SUPERNET = Forecast(before=600, trial=2, trials=100, after=0, memory_mb=410)
TRUSTED = Forecast(before=0, trial=2, trials=100, after=100, memory_mb=410)


class Ticks:
    """A clock that says what it is set to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_the_first_step_and_what_comes_after_the_last_are_no_usual_steps():
    clock = Ticks()
    steps = timing.Steps(clock)

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


def test_what_comes_after_the_last_trial_has_its_share():
    assert TRUSTED.left(200, 100) == pytest.approx(100)
    assert TRUSTED.left(275, 100, after=0.75) == pytest.approx(25)
    assert TRUSTED.left(550, 100, after=0.75) == pytest.approx(50)  # twice as slow


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
    clock, timed = Ticks(), timing.Steps.timed

    def steady(self, work):
        """Every step takes 2 seconds, all else 3."""
        self._heard = []
        work()
        return 2.0 * len(self._heard), 3.0

    monkeypatch.setattr(timing.Steps, "timed", steady)
    found = forecast.search(parts, short, 3, clock, worth=0)
    monkeypatch.setattr(timing.Steps, "timed", timed)
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


class Paced:
    """`Steps` on a clock of our own: a training's step takes 1 s; all else what is charged."""

    def __init__(self, monkeypatch):
        self.charged = 0.0
        monkeypatch.setattr(timing.Steps, "timed", lambda steps, work: self.timed(steps, work))

    def timed(self, steps, work):
        before, steps._heard = self.charged, []
        work()
        return float(len(steps._heard)), self.charged - before


ONE_SHOT = ("estimator=one_shot", "data.images=512", "training.epochs=2", "device=none")


@pytest.fixture
def paced(monkeypatch):
    """Scores take 1 s per 100 images and path, where together half; the first one 50 s more."""
    found = Paced(monkeypatch)
    found.scored = []

    def charge(scoring, paths, images, each):
        first = not found.scored
        found.scored.append((paths, images))
        found.charged += paths * (2 + each * images / 100) + 50 * first
        assert len(scoring._problem.task.split("train")) == 288  # all of them, for statistics
        return [(50.0, images)] * paths

    def accuracy(scoring, _mixture, *, whole=False):
        return charge(scoring, 1, len(scoring._scored_on(whole=whole)), 1)[0][0]

    def accuracies(scoring, mixtures, _top=None):
        return charge(scoring, len(mixtures), len(scoring._scored_on(whole=False)), 0.5)

    monkeypatch.setattr("nascli.supernet.scoring.Scoring.accuracy", accuracy)
    monkeypatch.setattr("nascli.supernet.scoring.Scoring.accuracies", accuracies)
    return found


def test_paths_that_are_scored_together_are_timed_together(paced):
    parts, short = parts_of(*ONE_SHOT, "estimator.at_once=12")
    valid, train = (len(parts.problem.task.split(name)) for name in ("valid", "train"))
    assert (valid, train) == (96, 288)
    found = forecast.search(parts, short, 20, worth=0)
    assert paced.scored[:2] == [(1, valid), (11, valid)]
    assert found.trial == pytest.approx(2 + 0.5 * valid / 100)
    assert found.before == pytest.approx(10 * 2 * train / (10 * 16))  # ten steps stood for all
    assert found.after == REPORT_SECONDS


def test_scores_on_many_images_are_told_from_a_few(paced, monkeypatch):
    monkeypatch.setattr(forecast, "_SCORED", 20)
    parts, short = parts_of(*ONE_SHOT, "estimator.at_once=12", "estimator.images=60")
    found = forecast.search(parts, short, 20, worth=0)
    assert paced.scored[:2] == [(1, 20), (11, 20)]
    longer = (2 + 60 / 100) / (2 + 20 / 100)
    assert found.trial == pytest.approx((2 + 0.5 * 20 / 100) * longer)
    assert found.after == pytest.approx(REPORT_SECONDS + 2 + 96 / 100)  # the answer, on all 96


def test_networks_that_are_trained_in_the_end_and_timed_on_a_device_take_their_time(
    paced, monkeypatch
):
    words = [word for word in ONE_SHOT if word != "device=none"]
    parts, short = parts_of(*words, "device=cpu", "trust=3")
    assert parts.trust.networks == 3

    def latency(*_):
        paced.charged += 7
        return Latency(1.0, 1.0, 1.0, 9)

    monkeypatch.setattr("nascli.devices.cpu.Cpu.latency", latency)
    found = forecast.search(parts, short, 20, worth=0)
    assert found.trial == pytest.approx(2 + 96 / 100 + 7)
    assert found.after == pytest.approx(REPORT_SECONDS + 3 * 2 * 18)  # of 18 steps an epoch


def test_candidates_that_are_bred_are_no_steps_of_a_training(monkeypatch):
    Paced(monkeypatch)
    words = ("strategy=screening", "strategy.keep=3", "device=none")
    words += ("strategy.by.batch_size=8", "strategy.by.scores=[synflow]", "data.images=512")
    parts, short = parts_of(*words, "strategy.candidates=10", "training.epochs=2")
    found = forecast.search(parts, short, 3, worth=0)
    assert found.trial == pytest.approx(9 / 3 + 2 * 18)  # the tenth is the end of them
    trained_before = replace(parts, shared=SimpleNamespace(trainer="nobody"))
    assert forecast.search(trained_before, short, 3, worth=0) is None  # they would be bred twice


def test_a_retraining_has_the_steps_of_all_its_images(monkeypatch):
    paced = Paced(monkeypatch)
    parts, _ = parts_of("data.images=512", "training.epochs=3", "device=none")
    few = timing.Few(parts.problem.task, 80)
    genotype = parts.strategy.ask(1)[0].genotype
    found = timing.training(parts.problem, genotype, few, timing.Steps(Ticks()))
    assert paced.charged == 0 and found == pytest.approx(3 * 288 / 16)


def test_fronts_that_are_looked_at_again_grow_as_the_logarithm_of_trials(monkeypatch):
    report = {"front": [{"trial": 1}], "fronts": {"macs": [{"trial": 1}, {"trial": 2}]}}
    monkeypatch.setattr(tries.summary, "search", lambda *_: report)
    trials = [Trial(n, Genotype("x", ("a",), ("b",)), 1.0, {}) for n in range(8)]
    tried = tries.Tries(SimpleNamespace(problem=None), None, None, trials)
    assert tried.in_the_end(64) == pytest.approx(
        1 + 2 * 2
    )  # the answer; two points, log 64 / log 8


@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_what_is_tried_is_computed_with_the_kernels_of_the_run(paced, monkeypatch, chosen):
    parts, short = parts_of(*ONE_SHOT, f"kernels={chosen}")
    off, scored = [], Scoring.accuracy

    def accuracy(*arguments, **settings):
        off.append(bool(library._OFF))
        return scored(*arguments, **settings)

    monkeypatch.setattr(Scoring, "accuracy", accuracy)
    assert forecast.search(parts, short, 20, worth=0) is not None
    assert set(off) == {chosen == "torch"} and not library._OFF


def test_what_keeps_answers_for_other_runs_gets_none_of_a_forecast(tmp_path, monkeypatch):
    file = tmp_path / "answers.jsonl"
    parts, short = parts_of("estimator=cached", f"estimator.path={file}", "training.epochs=1")
    asked_for, evaluation = [], tries.Tries._evaluation
    monkeypatch.setattr(
        tries.Tries,
        "_evaluation",
        property(lambda of: asked_for.append(of.probe.estimators[-1]) or evaluation.fget(of)),
    )
    assert forecast.search(parts, short, 2, worth=0) is not None
    assert [type(one).__name__ for one in asked_for] == ["Train"] * 2 and not file.exists()
