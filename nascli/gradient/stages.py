"""The stages of a progressive search: deeper, with fewer options, or on more channels each time.

Chen et al., Progressive Differentiable Architecture Search, ICCV 2019 (arXiv 1904.12760); Chen et
al., DrNAS, ICLR 2021 (arXiv 2006.10355), section 3.3.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nascli.core.choice import NONE, Choice
from nascli.core.fault import Fault, unknown
from nascli.core.words import counted

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Stage:
    """Epochs `begin` to `end` (not included) of a search; one without stages has one of all.

    A supernet of a new depth begins anew, and so do architecture weights and optimizers.

    Args:
        number: which stage it is, from 0.
        begin: its first epoch.
        end: the epoch after its last one.
        supernet: the number of the stage whose start built the supernet.
        span: first epoch of the supernet, and the epoch after its last one.
        warmup: the share of the stage in which the architecture weights rest.
        options: how many options a choice keeps; None for all that it had.
        partial_channels: options work on one channel in so many.
        depth: cells of the supernet, as a multiple of the space's own number.
        skip_dropout: chance that a step leaves out a choice's skip connection at the stage's start;
            it falls linearly to 0 at its end.
    """

    number: int
    begin: int
    end: int
    supernet: int
    span: tuple[int, int]
    warmup: float = 0.0
    options: int | None = None
    partial_channels: int = 1
    depth: float = 1.0
    skip_dropout: float = 0.0

    def done(self, epoch: float) -> float:
        """The share of the stage that is over when the search stands at `epoch`."""
        return (epoch - self.begin) / (self.end - self.begin)

    def learns(self, epoch: float) -> bool:
        """Whether the architecture weights move at `epoch`."""
        return self.done(epoch) >= self.warmup

    def dropout(self, epoch: float) -> float:
        """The chance to leave out a skip connection at `epoch`."""
        return self.skip_dropout * (1.0 - self.done(epoch))


def schedule(
    stages: Sequence[Mapping[str, Any]], epochs: int, common: Mapping[str, Any]
) -> tuple[Stage, ...]:
    """The stages of a search of so many epochs; `common` are keys that a stage need not give.

    Epochs are divided in proportion to the stages' `share` (1 each, if not given).

    Raises:
        Fault: a stage has an unknown key or a value out of range, or there are too few epochs.
    """
    given = [{"share": 1, "depth": 1.0, **common, **stage} for stage in stages or ({},)]
    faults = [fault for n, stage in enumerate(given) for fault in _faults(n, stage, bool(stages))]
    if faults:
        raise Fault("\n".join(faults))
    shares = [stage.pop("share") for stage in given]
    ends = _ends(shares, epochs)
    if len(set(ends) | {0}) <= len(shares):
        raise Fault(
            f"strategy.stages are {len(shares)}, too many for "
            f"{counted(epochs, 'epoch')}: one would have none; give training.epochs at least "
            f"{_least(shares)}, or fewer stages"
        )
    begins = [0, *ends[:-1]]
    made: list[Stage] = []
    for number, stage in enumerate(given):
        same = bool(made) and made[-1].depth == stage["depth"]
        first = made[-1].supernet if same else number
        like = [given[n]["depth"] == stage["depth"] for n in range(first, len(given))]
        last = first + (like.index(False) if False in like else len(like)) - 1
        span = begins[first], ends[last]
        made.append(Stage(number, begins[number], ends[number], first, span, **stage))
    return tuple(made)


def _ends(shares: Sequence[float], epochs: int) -> list[int]:
    return [round(epochs * total / sum(shares)) for total in itertools.accumulate(shares)]


def _least(shares: Sequence[float]) -> int:
    """The fewest epochs that give every stage one."""
    return next(n for n in itertools.count(1) if len(set(_ends(shares, n)) | {0}) > len(shares))


def _faults(number: int, stage: Mapping[str, Any], several: bool) -> Iterator[str]:
    where = f"strategy.stages[{number}]" if several else "strategy"
    for key, value in stage.items():
        if key not in _RANGES:
            yield unknown(f"key of {where}", key, _RANGES)
            continue
        kind, fits, words = _RANGES[key]
        number_like = isinstance(value, kind) and not isinstance(value, bool)
        if not (number_like and fits(value)) and not (key == "options" and value is None):
            yield f"{where}.{key} is {value!r}; it must be {words}"


_NUMBER = (int, float)
_RANGES: Mapping[str, tuple[Any, Callable[[Any], bool], str]] = {
    "share": (_NUMBER, lambda v: 0 < v < math.inf, "a number above 0"),
    "warmup": (_NUMBER, lambda v: 0 <= v < 1, "a number of at least 0 and below 1"),
    "options": (int, lambda v: v >= 1, "a whole number of at least 1, or null for all"),
    "partial_channels": (int, lambda v: v >= 1, "a whole number of at least 1"),
    "depth": (_NUMBER, lambda v: 0 < v < math.inf, "a number above 0"),
    "skip_dropout": (_NUMBER, lambda v: 0 <= v < 1, "a number of at least 0 and below 1"),
}


def strongest(
    weights: Tensor, choices: Sequence[Choice], present: Tensor, count: int
) -> list[list[int]]:
    """The `count` options of largest weight of every choice, at least one of them not `none`.

    `weights` and `present` (whether an option takes part so far) are (choices, options).
    """
    kept = []
    rows = zip(choices, weights.tolist(), present.tolist(), strict=True)
    for choice, row, there in rows:
        numbers = [n for n in range(len(choice.options)) if there[n]]
        numbers.sort(key=lambda n: -row[n])
        real = [n for n in numbers if choice.options[n] != NONE]
        first = real[:1] or numbers[:1]
        rest = [n for n in numbers if n not in first]
        kept.append(sorted(first + rest[: count - 1]))
    return kept
