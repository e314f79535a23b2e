"""A recipe: everything that says how a network is trained, except on what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from nascli.core.fault import Fault, unknown

_CHOICES = {
    "schedule": ("epoch", "step"),
    "precision": ("float32", "bfloat16"),
    "class_weights": ("none", "balanced"),
}
_INF = math.inf
# name -> (least, greatest, whether it is an integer)
_RANGES: Mapping[str, tuple[float, float, bool]] = {
    "epochs": (1, _INF, True),
    "batch_size": (1, _INF, True),
    "learning_rate": (0, _INF, False),
    "final_learning_rate": (0, _INF, False),
    "momentum": (0, 1, False),
    "weight_decay": (0, _INF, False),
    "gradient_clip": (0, _INF, False),
    "warmup_epochs": (0, _INF, True),
    "label_smoothing": (0, 1, False),
    "crop_padding": (0, _INF, True),
    "cutout": (0, _INF, True),
    "drop_path": (0, 1, False),
    "auxiliary_weight": (0, _INF, False),
    "mixup": (0, _INF, False),
    "cutmix": (0, _INF, False),
    "rand_augment": (0, _INF, True),
    "rand_augment_magnitude": (0, 30, True),
    "average": (0, 0.9999999, False),
    "accumulate": (1, _INF, True),
    "patience": (0, _INF, True),
}
_FROM_SCRATCH = (
    *("label_smoothing", "drop_path", "auxiliary_weight", "mixup", "cutmix", "average"),
    *("accumulate", "patience", "class_weights", "compile"),
)
_ARCHITECTURE: Mapping[str, Any] = {
    "learning_rate": 3e-4,
    "betas": (0.5, 0.999),
    "weight_decay": 1e-3,
}


@dataclass(frozen=True)
class Recipe:
    """How to train: SGD with momentum under a cosine from `learning_rate` to the final one.

    Args:
        epochs: passes over the training split at fidelity 1.
        batch_size: images a step.
        learning_rate: where the cosine starts.
        final_learning_rate: where it ends.
        momentum: of SGD.
        nesterov: whether SGD looks ahead.
        weight_decay: L2 penalty on all weights.
        gradient_clip: largest norm of all gradients together; .inf does not clip.
        warmup_epochs: linear rise to `learning_rate` before the cosine, out of `epochs`.
        schedule: "epoch" holds the learning rate through an epoch, as DARTS and NAS-Bench-201
            do; "step" moves it at every step, which short trainings need.
        label_smoothing: share of the target that goes to all classes alike.
        crop_padding: black pixels around an image before a crop of its size is cut at random.
        flip: mirror half of the images, unless the data say that this changes the class.
        cutout: side of a square, centred at random, that is set to the mean (DeVries and Taylor
            2017, arXiv 1708.04552); 0 for none.
        drop_path: chance that a path is dropped at the end of training; it rises linearly from 0.
        auxiliary_weight: of the auxiliary head's loss.
        precision: "bfloat16" computes under autocast; weights stay float32.
        mixup: alpha of mixup's Beta distribution, 0 for none; see `nascli.training.loss.mixing`.
        cutmix: that of CutMix; with both, one of the two is drawn for every batch.
        rand_augment: how many operations RandAugment draws for an image (Cubuk et al. 2020, arXiv
            1909.13719), 0 for none; on images of 8 bits, before all other augmentation.
        rand_augment_magnitude: how strong they are, of 30.
        average: decay of the exponential average of the weights that is validated and kept, 0
            for none; it is lower at first, (1 + step) / (10 + step), so that it forgets the start.
        accumulate: batches whose gradients make one step together; the rest of an epoch makes one.
        patience: epochs without a better validation accuracy after which a retraining ends; the
            best epoch's weights are kept. 0 trains all epochs and keeps the last.
        class_weights: "balanced" makes every class count the same, however many images it has.
        compile: whether torch.compile makes kernels of the network first.
        network: space -> its keys that the recipe fixes, such as channels and cells.
        architecture: Adam's learning_rate, betas and weight_decay for the architecture weights of a
            gradient search; by default those of DARTS (Liu et al. 2019, arXiv 1806.09055).

    Raises:
        Fault: values out of range; all of them are listed.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    gradient_clip: float = _INF
    warmup_epochs: int = 0
    schedule: Literal["epoch", "step"] = "epoch"
    label_smoothing: float = 0.0
    crop_padding: int = 0
    flip: bool = False
    cutout: int = 0
    drop_path: float = 0.0
    auxiliary_weight: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    mixup: float = 0.0
    cutmix: float = 0.0
    rand_augment: int = 0
    rand_augment_magnitude: int = 9
    average: float = 0.0
    accumulate: int = 1
    patience: int = 0
    class_weights: Literal["none", "balanced"] = "none"
    compile: bool = False
    network: Mapping[str, Any] = field(default_factory=dict)
    architecture: Mapping[str, Any] = field(default_factory=dict)

    @property
    def from_scratch(self) -> dict[str, Any]:
        """What is asked for and only trainings from scratch heed, not those of supernets."""
        neutral = {one.name: one.default for one in fields(self)}
        asked = {name: getattr(self, name) for name in _FROM_SCRATCH}
        return {name: value for name, value in asked.items() if value != neutral[name]}

    def __post_init__(self) -> None:
        faults = [*self._numbers(), *self._words(), *self._adam()]
        if not faults and self.warmup_epochs >= self.epochs:
            faults.append(f"warmup_epochs is {self.warmup_epochs}; epochs is only {self.epochs}")
        if not faults and self.nesterov and not self.momentum:
            faults.append("nesterov needs a momentum above 0")
        if not faults and self.compile and self.drop_path:
            faults.append("compile needs drop_path=0, whose chance differs from epoch to epoch")
        if faults:
            raise Fault("\n".join(f"training.{fault}" for fault in faults))
        object.__setattr__(self, "architecture", {**_ARCHITECTURE, **self.architecture})

    def _numbers(self) -> Iterator[str]:
        for name, (least, greatest, whole) in _RANGES.items():
            value = getattr(self, name)
            if name == "gradient_clip" and value == _INF:
                continue
            if not _within(value, least, greatest, whole):
                kind = "an integer" if whole else "a finite number" if value == _INF else "a number"
                above = f"of at least {least}" if greatest == _INF else f"from 0 to {greatest}"
                yield f"{name} is {value!r}; it must be {kind} {above}"

    def _words(self) -> Iterator[str]:
        for name, allowed in _CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                yield unknown(name, value, allowed)
        for name in ("nesterov", "flip", "compile"):
            if not isinstance(value := getattr(self, name), bool):
                yield f"{name} is {value!r}; it must be true or false"

    def _adam(self) -> Iterator[str]:
        for name in ("network", "architecture"):
            if not isinstance(value := getattr(self, name), Mapping):
                yield f"{name} is {value!r}; it must be a mapping"
                return
        for key, value in self.architecture.items():
            if key not in _ARCHITECTURE:
                yield unknown("architecture's key", key, _ARCHITECTURE)
            elif key == "betas":
                pair = isinstance(value, (list, tuple)) and len(value) == 2
                if not pair or not all(_within(beta, 0, 0.9999999, False) for beta in value):
                    wanted = "two numbers from 0 up, below 1"
                    yield f"architecture.betas is {value!r}; it must be {wanted}"
            elif not _within(value, 0, _INF, False):
                kind = "a finite number" if value == _INF else "a number"
                yield f"architecture.{key} is {value!r}; it must be {kind} of at least 0"


def learning_rate(recipe: Recipe, epochs: int, epoch: int, step: int, steps: int) -> float:
    """The learning rate of step `step` (of `steps`) of epoch `epoch` (of `epochs`), from 0.

    Loshchilov and Hutter 2017, SGDR (arXiv 1608.03983), eq. 5, without restarts. A training of
    fewer epochs than the recipe's has a warm-up that is shorter in proportion.
    """
    unit = 1 / steps if recipe.schedule == "step" else 1.0
    done = epoch + step / steps if recipe.schedule == "step" else float(epoch)
    warmup = recipe.warmup_epochs * epochs / recipe.epochs
    top, bottom = recipe.learning_rate, recipe.final_learning_rate
    if done < warmup:
        return top * min(1.0, (done + unit) / warmup)
    share = (done - warmup) / (epochs - warmup)
    return bottom + (top - bottom) * (1 + math.cos(math.pi * share)) / 2


def _within(value: object, least: float, greatest: float, whole: bool) -> bool:
    """Whether `value` is a number (not a truth value, NaN or infinite) in the range."""
    kinds = (int,) if whole else (int, float)
    good = isinstance(value, kinds) and not isinstance(value, bool)
    return good and least <= value <= greatest and value != _INF  # type: ignore[operator]
