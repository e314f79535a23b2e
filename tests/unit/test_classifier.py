"""scikit-learn's conventions, one by one: its own estimator checks know no images."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import nascli
from nascli.classifier import _seconds, _seed

pytestmark = pytest.mark.filterwarnings("ignore:budget is")
TINY: dict[str, object] = {
    "space.channels": 2,
    "space.cells_per_stage": 1,
    "training.epochs": 1,
    "training.batch_size": 16,
    "accelerator": "cpu",
    "budget.trials": 1,  # so that no clock decides
    "budget.seconds": None,
}


def classifier(**changes: Any) -> nascli.ImageClassifier:
    given: dict[str, Any] = {"budget": 0.001, "space": "nasbench201", "settings": TINY}
    return nascli.ImageClassifier(**{**given, "strategy": "random", "random_state": 3, **changes})


def images(channels: int | None) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    rng = np.random.default_rng(0)
    labels = np.array(["zebra", "ant", "moth"])[np.arange(60) % 3]
    shape = (60, 8, 8) if channels is None else (60, 8, 8, channels)
    noise = rng.integers(0, 100, shape)
    shade = np.array([{"zebra": 0, "ant": 70, "moth": 150}[name] for name in labels])
    return (noise + shade.reshape(-1, *[1] * (len(shape) - 1))).astype(np.uint8), labels


@pytest.fixture(scope="module")
def grey() -> tuple[nascli.ImageClassifier, NDArray[np.uint8], NDArray[Any]]:
    pixels, labels = images(None)
    return classifier().fit(pixels, labels), pixels, labels


def test_making_one_does_nothing_and_keeps_what_it_was_given() -> None:
    settings: dict[str, object] = {"space.channels": 4}
    made = nascli.ImageClassifier("nonsense", settings=settings)  # type: ignore[arg-type]
    assert made.get_params() == {
        "budget": "nonsense",
        "space": "cell",
        "strategy": "evolution",
        "settings": settings,
        "outputs": None,
        "random_state": None,
    }
    assert made.get_params()["settings"] is settings
    assert vars(made) == made.get_params()
    assert made.set_params(budget="1 minute") is made and made.budget == "1 minute"
    other = clone(made)
    assert other.get_params() == made.get_params() and other is not made
    assert is_classifier(made)


def test_before_fit_it_says_so(tmp_path: Path) -> None:
    pixels, labels = images(None)
    for ask in (
        lambda c: c.predict(pixels),
        lambda c: c.predict_proba(pixels),
        lambda c: c.score(pixels, labels),
        lambda c: c.export(str(tmp_path)),
    ):
        with pytest.raises(NotFittedError):
            ask(classifier())


def test_fitted_it_answers_in_the_words_of_the_labels(grey: Any) -> None:
    made, pixels, labels = grey
    assert made.classes_.tolist() == ["ant", "moth", "zebra"]
    shares = made.predict_proba(pixels)
    assert shares.shape == (60, 3)
    assert shares.sum(1) == pytest.approx(np.ones(60), abs=1e-5)
    assert made.predict(pixels).tolist() == made.classes_[shares.argmax(1)].tolist()
    assert made.score(pixels, labels) == np.mean(made.predict(pixels) == labels)
    assert 0 <= made.test_accuracy_ <= 100
    assert made.genotype_ is not None and made.runs_ == ()
    shapes = r"the shape \(60, 4, 8\); it must be \(N, 8, 8, 1\), channels last, or \(N, 8, 8\)"
    for ask in (made.predict, made.predict_proba, lambda X: made.score(X, labels)):
        with pytest.raises(nascli.Fault, match=shapes):
            ask(pixels[:, :4])
    with pytest.raises(nascli.Fault, match=r"the shape \(60, 4, 8, 1\)"):
        made.predict(pixels[:, :4, :, None])


def test_the_same_seed_is_the_same_classifier(grey: Any) -> None:
    made, pixels, labels = grey
    again = clone(made).fit(pixels, labels)
    assert again.genotype_ == made.genotype_
    assert np.array_equal(again.predict_proba(pixels), made.predict_proba(pixels))


def test_it_survives_pickling_and_then_still_exports(grey: Any, tmp_path: Path) -> None:
    made, pixels, _ = grey
    back = pickle.loads(pickle.dumps(made))
    assert np.array_equal(back.predict_proba(pixels), made.predict_proba(pixels))
    file = back.export(str(tmp_path / "there"), format="pt2")
    exported = torch.export.load(file).module()
    batch = torch.from_numpy(pixels)[:, None].float()
    with torch.no_grad():
        shares = exported(batch).softmax(1).numpy()
    assert shares == pytest.approx(made.predict_proba(pixels), abs=1e-4)


def test_cross_validation_a_grid_and_a_pipeline_on_coloured_images() -> None:
    pixels, labels = images(3)
    darker = FunctionTransformer(lambda X: X // 2)
    scores = cross_val_score(make_pipeline(darker, classifier()), pixels, labels, cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()
    grid = GridSearchCV(classifier(), {"random_state": [5]}, cv=2).fit(pixels, labels)
    assert grid.predict(pixels).shape == (60,) and grid.best_estimator_.random_state == 5


def test_kept_folders_are_there_and_the_least_that_a_budget_can_be_is_said(tmp_path: Path) -> None:
    pixels, labels = images(None)
    least = "budget is 0.001, and fit took .* one trial of 1 epoch and one epoch of training"
    with pytest.warns(UserWarning, match=least):
        made = classifier(outputs=str(tmp_path)).fit(pixels, labels)
    search, training = made.runs_
    assert (search / "history.jsonl").is_file() and (training / "weights.pt").is_file()
    assert tmp_path in search.parents


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        (np.zeros((4, 8)), [0, 1, 0, 1], r"X has the shape \(4, 8\)"),
        (np.zeros((0, 8, 8)), [], r"X has the shape \(0, 8, 8\)"),
        (np.zeros((4, 8, 8)), [0, 1], r"y has the shape \(2,\); it must be \(4,\)"),
        (np.zeros((4, 8, 8)), [1, 1, 1, 1], "y has the one class"),
        (np.full((4, 8, 8), "a"), [0, 1, 0, 1], "it must be numbers"),
        (np.full((4, 8, 8), np.nan), [0, 1, 0, 1], "X has values that are not finite"),
        ([[[1, 2], [3]], [[1]]], [0, 1], "X is no array"),
        (np.zeros((4, 8, 8)), ["a", None, "b", "a"], "labels of several types .NoneType, str."),
        (np.zeros((4, 8, 8)), [0.0, np.nan, 1.0, 0.0], "labels that are not finite"),
    ],
)
def test_what_it_cannot_learn_from_is_said(X: Any, y: Any, said: str) -> None:
    with pytest.raises(nascli.Fault, match=said):
        classifier().fit(X, y)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": 5}, "settings is 5; it must be a mapping"),
        ({"settings": {**TINY, "training.epochs": "x"}}, "training.epochs"),
        ({"random_state": "a"}, "random_state is 'a'; it must be a whole number"),
        ({"settings": {**TINY, "budget.seconds": 1e-9}}, "budget is 0.001; give it more"),
    ],
)
def test_arguments_that_make_no_sense_are_said_when_it_is_fitted(changes: Any, said: str) -> None:
    pixels, labels = images(None)
    with pytest.raises(nascli.Fault, match=said) as caught:
        classifier(**changes).fit(pixels, labels)
    assert "resume=" not in str(caught.value)


def test_a_random_state_of_scikit_learn_s_is_a_seed() -> None:
    assert _seed(None) == 0 and _seed(np.int64(7)) == 7
    assert _seed(np.random.RandomState(1)) == _seed(np.random.RandomState(1)) != 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10 minutes", 600),
        ("90 seconds", 90),
        ("1.5 hours", 5400),
        ("2 h", 7200),
        ("5min", 300),
        ("1 day", 86400),
        (42, 42),
        (0.5, 0.5),
    ],
)
def test_a_budget_in_words(text: Any, seconds: float) -> None:
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-3", "0 minutes", "10 parsecs", "1e999", "nan", ""])
def test_a_budget_that_is_none(text: str) -> None:
    with pytest.raises(nascli.Fault, match="budget is"):
        _seconds(text)


class Clock:
    """What `fit` asks, with searches and trainings that take seconds of this clock alone."""

    def __init__(self, around: float, epoch: float) -> None:
        self.now, self.around, self.epoch = 0.0, around, epoch
        self.epochs: list[int] = []

    def monotonic(self) -> float:
        return self.now

    def search(self, *, progress: Any, **keys: Any) -> Any:
        half, trial = keys["budget.seconds"], keys["training.epochs"] * self.epoch
        self.now += self.around + max(half, trial)
        if half < trial:
            whole = int(half / self.epoch) / keys["training.epochs"]
            progress(whole, "")
            Path(keys["outputs"], "search", "run").mkdir(parents=True)
            raise nascli.Fault("over in the middle of trial 0; go on with: nas search resume=run")
        ended = SimpleNamespace(seconds=trial, fidelity=1.0, genotype="g", error=None)
        return SimpleNamespace(genotype="g", history=[ended] * int(half / trial), path=None)

    def retrain(self, **keys: Any) -> Any:
        self.epochs.append(keys["training.epochs"])
        self.now += self.around + keys["training.epochs"] * self.epoch
        raise StopIteration  # the rest is not asked of the clock


@pytest.mark.parametrize(
    ("budget", "around", "epochs"),
    [
        (40, 0, 18),  # half of it is left, of which 0.9 is trained
        (40, 5, 9),  # 40 - 25 (searched) - 5 (around the training): 0.9 of 10
        (40, 10, 1),  # nothing is left: the least
    ],
)
def test_training_gets_what_the_search_and_its_surroundings_leave(
    budget: int, around: int, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(around, epoch=1.0)
    monkeypatch.setattr("nascli.classifier.api", clock)
    monkeypatch.setattr("nascli.classifier.time", clock)
    with pytest.raises(StopIteration):
        nascli.ImageClassifier(budget).fit(*images(None))
    assert clock.epochs == [epochs]
    assert around > 5 or clock.now <= budget


def test_a_budget_too_short_for_a_trial_says_what_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(around=0, epoch=4.0)  # a trial of 4 epochs takes 16 seconds, half of 32
    monkeypatch.setattr("nascli.classifier.api", clock)
    monkeypatch.setattr("nascli.classifier.time", clock)
    with pytest.raises(nascli.Fault, match=r"budget is 16; give it more \(32 seconds or more\)"):
        nascli.ImageClassifier(16).fit(*images(None))
