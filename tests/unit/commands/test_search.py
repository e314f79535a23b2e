"""What a person sees while a search goes on."""

import math

import pytest
from fixtures import TINY, TINY_SPACE, build, composed

from nascli import ui
from nascli.commands.search import _Display
from nascli.core.space import at
from nascli.core.trial import Trial


def test_only_a_good_trial_is_the_best_so_far():
    parts = build.search(composed("strategy=random", "space=nasbench201", *TINY))
    display = _Display(parts)
    said = []
    bar = {"update": lambda _, _done, text: said.append(text()), "begin": lambda *_: None}
    display._bar = type("Bar", (), bar)()

    def ended(accuracy, **state):
        display.trial(Trial(0, at(parts.problem.space, 1), 1.0, {"accuracy": accuracy}, **state))
        return said[-1]

    assert ended(math.nan, error="accuracy is nan") == "1 failed"
    assert ended(99.0, infeasible="params 9 exceeds 8") == "1 failed"
    assert ended(20.0) == "best accuracy 20.00 %, 1 failed"
    assert ended(math.nan, error="accuracy is nan") == "best accuracy 20.00 %, 2 failed"
    assert ended(30.0) == "best accuracy 30.00 %, 2 failed"


def test_an_epoch_of_a_gradient_search_is_called_an_epoch_once(monkeypatch):
    parts = build.search(composed("strategy=darts", "space=nasbench201", *TINY))
    made = []
    monkeypatch.setattr(ui, "Progress", lambda label, *_args, **_more: made.append(label) or Bar())
    with _Display(parts) as display:
        display.step(0.5, "epoch 3/4, skips: 1 in normal")
        assert display._text() == "skips: 1 in normal"
        display.step(0.5, "epoch 3/4")
        assert display._text() == ""
        parts.budget.charge(display._total)  # all epochs are over, and layers are timed
        display.step(1.0, "33 of 33 layers timed")
        assert display._bar.at == display._total
    parts = build.search(composed("strategy=random", "space=nasbench201", *TINY))
    with _Display(parts) as display:
        display.step(0.5, "epoch 3/4")  # of a training, which is one of several
        assert display._text() == "epoch 3/4"
    assert made == ["epoch", "trial"]


@pytest.mark.parametrize("chosen", ["strategy=spos", "strategy=random"])
def test_last_words_of_a_preparation_or_a_trial_do_not_stay(monkeypatch, chosen):
    parts = build.search(composed(chosen, "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]))
    monkeypatch.setattr(ui, "Progress", lambda *_args, **_more: Bar())
    with _Display(parts) as display:
        display.step(0.9, "supernet epoch 6/6")
        assert display._text() == "supernet epoch 6/6"
        display.trial(Trial(0, at(parts.problem.space, 1), 1.0, {"accuracy": 20.0}))
        assert display._text() == "best accuracy 20.00 %"


def test_what_comes_before_the_first_trial_does_not_tell_how_long_the_rest_takes(monkeypatch):
    parts = build.search(composed("strategy=random", "space=nasbench201", *TINY))
    monkeypatch.setattr(ui, "Progress", lambda *_args, **_more: Bar())
    with _Display(parts) as display:
        display.step(0.5, "bred 1,500 candidates")
        assert (display._bar.at, display._text()) == (0, "bred 1,500 candidates")
        parts.budget.charge(1)
        display.trial(Trial(0, at(parts.problem.space, 1), 1.0, {"accuracy": 20.0}))
        assert (display._bar.begun, display._bar.at) == (1, 1)
        display.step(0.5, "epoch 1/2")
        assert display._bar.at == 1.5


class Bar:
    """Shows nothing."""

    def begin(self, done):
        self.begun = done

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, at, _text):
        self.at = at
