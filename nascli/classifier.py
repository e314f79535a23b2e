"""An image classifier for those who want one call: it searches a network, then trains it.

It keeps to scikit-learn's conventions, so it works in pipelines, cross-validation and grids.
"""

from __future__ import annotations

import math
import re
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from nascli import api
from nascli.core.fault import Fault
from nascli.core.words import counted
from nascli.programs.trained import Trained
from nascli.runs import card

_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_TRIED, _MOST_EPOCHS = 4, 200
_SHARED = ("training", "space", "data", "accelerator", "threads")  # by search and training
_KEPT = ("config.yaml", "environment.json", "genotype.json", "weights.pt", card.FILE)
_SAVING = 0.9  # of the time that is left: the rest goes into loading, scoring and writing


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """`ImageClassifier(budget="10 minutes").fit(images, labels).predict(more)`.

    Half of the budget goes into a search, whose trials train networks for a few epochs and score
    them on a tenth of the images; the rest into training the best one from scratch, for as many
    epochs as its trial says there is time for (200 at most, and one at least: what goes over the
    budget for that is warned of). Another tenth is held out for `test_accuracy_`.

    Args:
        budget: how long `fit` may take, about: "90 seconds", "10 minutes", "2 hours", or seconds.
        space: of networks, as on the command line.
        strategy: of the search.
        settings: more keys of the search, such as {"space.channels": 16}; those of `training`,
            `space`, `data`, `accelerator` and `threads` hold for the training as well.
        outputs: where run folders are kept; None keeps none.
        random_state: every random draw follows from it, though not how far a clock lets it come.

    After `fit` there are `classes_`, `genotype_`, `network_` (the trained network, see
    `nascli.programs.trained.Trained`), `test_accuracy_` in percent, and `runs_`, the folders of
    search and training (where they are kept).
    """

    def __init__(
        self,
        budget: str | float = "10 minutes",
        *,
        space: str = "cell",
        strategy: str = "evolution",
        settings: Mapping[str, object] | None = None,
        outputs: str | None = None,
        random_state: int | None = None,
    ) -> None:
        self.budget = budget
        self.space = space
        self.strategy = strategy
        self.settings = settings
        self.outputs = outputs
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> ImageClassifier:  # noqa: N803
        """Searches and trains.

        Args:
            X: images (n, h, w, c), or (n, h, w) if grey; bytes from 0 to 255, or other numbers.
            y: (n,) their classes, of any type that sorts.

        Raises:
            Fault: images, classes or settings are wrong, or the time is over before a trial ended.
        """
        images, labels = _images(X), _labels(y)
        if labels.shape != images.shape[:1]:
            raise Fault(f"y has the shape {labels.shape}; it must be ({len(images)},)")
        seconds = _seconds(self.budget)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise Fault(f"y has the one class {self.classes_[0]!r}; it must have two or more")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "images.npz"
            np.savez(file, x_train=images, y_train=numbers.astype(np.int64))
            outputs = self.outputs or Path(folder) / "outputs"
            shared = {"data": "arrays", "data.path": file, "outputs": outputs, "device": "none"}
            self._fit(shared, seconds)
        return self

    def _fit(self, shared: dict[str, Any], seconds: float) -> None:
        shared = {**shared, "seed": _seed(self.random_state)}
        shared |= {"space": self.space, "training": "quick"}
        if not isinstance(self.settings, (Mapping, type(None))):
            raise Fault(f"settings is {self.settings!r:.80}; it must be a mapping")
        settings: dict[str, Any] = dict(self.settings or {})
        tried = settings.setdefault("training.epochs", _TRIED)
        half = {"budget.seconds": seconds / 2, "budget.trials": None}
        keys = {**shared, "strategy": self.strategy, "estimator": "train", **half, **settings}
        before = _runs(shared["outputs"])
        start, share = time.monotonic(), 0.0

        def heard(done: float, _text: str) -> None:
            nonlocal share
            share = done

        try:
            search = api.search(**keys, progress=heard)
        except Fault as fault:
            if _runs(shared["outputs"]) == before:
                raise
            # It had begun. Its folder may be gone by now, and with it what it advises.
            enough = f" ({math.ceil(seconds / share)} seconds or more)" if 0 < share < 1 else ""
            raise Fault(
                f"budget is {self.budget!r}; give it more{enough}: {_reason(fault)}"
            ) from fault
        gone = time.monotonic() - start
        took = [
            trial.seconds / (trial.fidelity * tried)
            for trial in search.history
            if trial.genotype == search.genotype and trial.error is None
        ]
        if not took:
            raise Fault(f"budget is {self.budget!r}, in which no trial ended; give it more")
        inside = max(sum(trial.seconds for trial in search.history), min(gone, seconds / 2))
        around = gone - inside  # what a run takes before its first training and after its last
        epochs = int(_SAVING * (seconds - gone - around) / min(took))
        kept = {key: value for key, value in settings.items() if key.split(".")[0] in _SHARED}
        kept["training.epochs"] = max(1, min(epochs, _MOST_EPOCHS))
        trained = api.retrain(genotype=search, **{**shared, **kept})
        if epochs < 1 and (whole := time.monotonic() - start) > seconds:
            least = (tried + 1) * min(took) + 2 * around
            warnings.warn(
                f"budget is {self.budget!r}, and fit took {whole:.1f} seconds: the least it can do "
                f"is one trial of {counted(tried, 'epoch')} and one epoch of training, "
                f"about {least:.1f} seconds here",
                stacklevel=3,
            )
        self.network_: Trained = trained.network
        self.genotype_ = trained.genotype
        self.test_accuracy_ = float(trained.report["result"]["test_accuracy"])
        self.runs_ = (search.path, trained.path) if self.outputs else ()
        self._files = {name: (trained.path / name).read_bytes() for name in _KEPT}

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        """Probabilities (n, classes) in the order of `classes_`; X as for `fit`.

        Raises:
            NotFittedError: `fit` was not called.
            Fault: the images are of another shape.
        """
        check_is_fitted(self)
        images = _images(X)
        as_given = images[..., 0] if np.ndim(X) == 3 else images  # so that a fault speaks of X
        return self.network_.predict(as_given)

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """(n,): the likeliest class of each image; raises as `predict_proba` does."""
        shares = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[shares.argmax(1)]
        return found

    def export(self, path: str, format: str = "onnx") -> Path:
        """Writes the network to a folder `path` in a format of `nas export`; gives the file.

        The file answers for the classes in the order of `classes_`.

        Raises:
            NotFittedError: `fit` was not called.
            Fault: the format is unknown, or cannot hold the network.
        """
        check_is_fitted(self)
        with tempfile.TemporaryDirectory() as place:
            run = Path(place) / "run"
            run.mkdir()
            for name, data in self._files.items():
                (run / name).write_bytes(data)
            exported = api.export(genotype=run, format=format, outputs=Path(place) / "outputs")
            target = Path(path)
            target.mkdir(parents=True, exist_ok=True)
            for file in exported.path.glob("network.*"):
                (target / file.name).write_bytes(file.read_bytes())
            return target / str(exported.report["file"])


def _runs(outputs: object) -> set[Path]:
    return set(Path(str(outputs), "search").glob("*"))


def _reason(fault: Fault) -> str:
    """What has happened, without the command that would go on."""
    return str(fault).partition("; go on with")[0]


def _seed(state: object) -> int:
    """What scikit-learn takes for a random state, as a seed."""
    if state is None:
        return 0
    if isinstance(state, (int, np.integer)) and not isinstance(state, bool):
        return int(state)
    if isinstance(state, np.random.RandomState):
        return int(state.randint(2**31 - 1))
    raise Fault(f"random_state is {state!r:.80}; it must be a whole number, a RandomState or None")


def _array(given: ArrayLike, name: str) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except ValueError as error:
        raise Fault(f"{name} is no array: {str(error)[:200]}") from error


def _labels(given: ArrayLike) -> NDArray[Any]:
    """(n,): labels that sort."""
    array = _array(given, "y")
    kinds = {type(label).__name__ for label in array.tolist()} if array.dtype == object else set()
    if len(kinds) > 1 or "NoneType" in kinds:
        raise Fault(f"y has labels of several types ({', '.join(sorted(kinds))}); it must have one")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Fault("y has labels that are not finite")
    return array


def _images(given: ArrayLike) -> NDArray[Any]:
    """(n, h, w, c), bytes or float32."""
    array = _array(given, "X")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or not len(array):
        raise Fault(
            f"X has the shape {np.shape(given)}; it must be (n, h, w, c), or (n, h, w) if grey"
        )
    if array.dtype.kind not in "uif":
        raise Fault(f"X is of type {array.dtype}; it must be numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Fault("X has values that are not finite")
    return array if array.dtype == np.uint8 else array.astype(np.float32)


def _seconds(budget: str | float) -> float:
    """How long a budget is."""
    text = str(budget).strip().lower()
    found = re.fullmatch(r"([0-9.e+]+) *(second|minute|hour|day|s|min|h|d)?s?", text)
    try:
        number = float(found[1]) if found else 0.0
    except ValueError:
        number = 0.0
    if found is None or not 0 < number < float("inf"):
        raise Fault(
            f"budget is {budget!r}; it must be seconds, or words such as '90 seconds', "
            "'10 minutes' or '2 hours'"
        )
    unit = found[2] or "second"
    return number * next(size for name, size in _UNITS.items() if name.startswith(unit))
