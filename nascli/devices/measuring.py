"""How every device that runs networks itself takes its times: interleaved rounds, levelled.

No torch: a pass is whatever gives its own milliseconds.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nascli.core.device import Latency
from nascli.devices.settings import Limits

Pass = Callable[[], float]
_SHARE = 0.25  # the quantile that stands for a latency
_SURE = 1.96  # standard deviations of a 95 % confidence interval
_AGAIN = 2  # times that what other work has spoilt is measured again
_REFERENCES = 5  # that were not spoilt, beside those, at most
_ALONE = 5  # times `precision` will do for a pass alone, for which the machine's state is unknown
_LOOK = 5  # rounds between two looks at how well the quantiles are known
_BESIDE = 8  # passes before a pass, and behind it, that tell how fast the machine was
_SWEEPS = 8  # of levelling by means, and by medians; all has settled by then


def clocked(run: Callable[[], object], *, threads: int) -> float:
    """Milliseconds that a call takes.

    Of a call with one thread these are the thread's own: they stand still while other work has the
    processor. Of several they are those on the clock.
    """
    own = threads == 1 and os.name == "posix"  # elsewhere that clock moves 64 times a second
    now = time.thread_time_ns if own else time.perf_counter_ns
    began = now()
    run()
    return (now() - began) / 1e6


def timed(
    passes: Sequence[Pass],
    limits: Limits,
    conditions: Mapping[str, str | int],
    *,
    parts: bool = False,
) -> list[Latency]:
    """The latencies of all passes, in interleaved rounds.

    Those that other work has spoilt (`Latency.steady`) are measured again together, at most twice;
    of each pass the best set of rounds is kept. Some that were not are measured beside them, and
    tell how fast the machine is by then. Warm-up is at most half of a pass's calls.

    Args:
        passes: each gives its own milliseconds.
        limits: how long they are repeated.
        conditions: noted with each latency.
        parts: they are layers, whose sum is what has to be known.
    """
    found = _found(rounds(passes, limits, parts=parts), limits, conditions)
    for _ in range(_AGAIN):
        bad = [number for number, latency in enumerate(found) if not latency.steady]
        if not bad:
            break
        good = [number for number, latency in enumerate(found) if latency.steady]
        good = good[:: math.ceil(len(good) / _REFERENCES)] if good else []
        taken = rounds([passes[number] for number in (*bad, *good)], limits, parts=parts)
        again = _found(taken, limits, conditions)
        pairs = list(zip((*bad, *good), again, strict=True))
        told = pairs[len(bad) :] or (pairs if len(pairs) > 1 else [])  # by all, if none was good
        ratios = [found[number].ms / max(latency.ms, 1e-9) for number, latency in told]
        faster = float(np.median(ratios)) if ratios else 1.0
        for number, latency in zip(bad, again, strict=False):
            found[number] = min(found[number], latency.times(faster), key=_spread)
    return found


def _found(
    taken: Sequence[Sequence[float]], limits: Limits, conditions: Mapping[str, str | int]
) -> list[Latency]:
    """What rounds have found: each latency levelled, its quantiles as they were."""
    return [
        replace(
            summed_up(values[one.first :], conditions),
            lower_quartile_ms=round(one.ms, 6),
            half_width=one.half_width if math.isfinite(one.half_width) else None,
        )
        for values, one in zip(taken, levelled(taken, limits.warmup), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Level:
    """A pass's milliseconds, and how well they are known: half of a 95 % interval, as a share.

    `first` is the first of its rounds that counts.
    """

    ms: float
    half_width: float
    first: int


def levelled(taken: Sequence[Sequence[float]], warmup: int = 0) -> list[Level]:
    """The milliseconds that stand for each pass: the lower quartile of the machine's states.

    A machine that others use has spells of some seconds at another speed (1.6 times as slow on the
    one where this was found), and where about a quarter of the time is fast, the lower quartiles
    of passes beside each other fall on both sides. So the speed of a moment is told by all passes
    around it: logarithms are a sum of a pass's own and of the state then, by turns the medians of
    what the other leaves (median polish: Tukey, Exploratory Data Analysis, 1977, chapter 11).
    Medians can settle with some passes at one speed and some at the other, so means go first.
    All passes are then taken at one state, the lower quartile of all. Ratios of passes in the same
    rounds are hence known far better than each of them, and it is those that the half width is of.
    A pass alone has nothing beside it that tells of the machine: it is its own lower quartile.

    Args:
        taken: milliseconds of every pass, round by round, those of warm-up first.
        warmup: so many of those do not count, and at most half of them. They tell the speed of
            their moment all the same, for slow passes that have few and count by then.
    """
    firsts = [min(warmup, len(values) // 2) for values in taken]
    if len(taken) == 1:
        alone = taken[0][firsts[0] :]
        ms = float(np.quantile(alone, _SHARE))
        return [Level(ms, half_width(alone, _SHARE) / max(ms, 1e-9), firsts[0])]
    turns = [
        (number, taken[number][round_], round_ >= firsts[number])
        for round_ in range(min(firsts, default=0), max(map(len, taken), default=0))
        for number in order(round_, len(taken))
        if round_ < len(taken[number])
    ]
    if not turns:
        return []
    whose = np.array([number for number, *_ in turns])
    logs = np.log(np.maximum([ms for _, ms, _ in turns], 1e-9))
    counts = np.array([counted for *_, counted in turns])
    places = [np.flatnonzero((whose == number) & counts) for number in range(len(taken))]
    state = np.zeros_like(logs)
    sweeps: list[Callable[..., Any]] = [*[np.mean] * _SWEEPS, *[np.median] * _SWEEPS]
    for middle in sweeps:
        own = np.array([middle((logs - state)[mine]) for mine in places])
        state = _beside(logs - own[whose], middle)
    times = np.exp(own + np.quantile(state[counts], _SHARE))
    widths = [half_width((logs - state)[mine], 0.5) for mine in places]
    return [
        Level(float(ms), width, first)
        for ms, width, first in zip(times, widths, firsts, strict=True)
    ]


def _beside(values: NDArray[np.float64], middle: Callable[..., Any]) -> NDArray[np.float64]:
    """Of each value the middle of its neighbours, itself left out."""
    if len(values) < 2:
        return np.zeros_like(values)
    windows = sliding_window_view(np.pad(values, _BESIDE, mode="reflect"), 2 * _BESIDE + 1)
    beside: NDArray[np.float64] = middle(np.delete(windows, _BESIDE, axis=1), axis=1)
    return beside


def order(round_: int, count: int) -> list[int]:
    """In what order a round goes through its passes: another one each time, ever the same ones.

    In a fixed order a pass would be compared with the same few beside it in every round, and those
    with the few beside them: over a long list, the errors of such a chain add up.
    """
    return random.Random(round_).sample(range(count), count)


def rounds(passes: Sequence[Pass], limits: Limits, *, parts: bool = False) -> list[list[float]]:
    """Calls every pass once a round and gives each one's milliseconds, those of warm-up first.

    A machine that slows down for a while then slows all passes alike. Where there are several, each
    is called once untimed right before it is timed: its neighbours have taken its place in the
    caches, and a latency must not depend on what is measured beside it. Each round has an order of
    its own (`order`). No pass drops out before its second timed call.
    """
    taken: list[list[float]] = [[] for _ in passes]
    for number in range(limits.warmup + limits.repeats):
        going = [
            each
            for each in order(number, len(passes))
            if len(taken[each]) < 2 or sum(taken[each]) < 1e3 * limits.seconds
        ]
        if not going or _enough(number - limits.warmup, limits, taken, parts=parts):
            break
        for each in going:
            if len(passes) > 1:
                passes[each]()
            taken[each].append(passes[each]())
    return taken


def together(sets: Sequence[Sequence[Latency]]) -> list[Latency]:
    """The same passes, made ready anew for each of several sets of rounds, as one latency each.

    Sets are levelled by the median of their ratios. A pass is the mean of its logarithms in them,
    at the lower quartile of the sets' speeds; how well it is known, by how far sets differ.
    """
    if not sets[0]:
        return []
    logs = np.log([[max(one.ms, 1e-9) for one in latencies] for latencies in sets])
    count, passes = logs.shape
    speeds = np.median(logs - logs.mean(axis=0), axis=1, keepdims=True)
    own = logs.mean(axis=0)
    left = float(((logs - speeds - own) ** 2).sum())
    width = None
    if passes > 1 < count:
        width = _SURE * math.sqrt(left / ((count - 1) * (passes - 1)) / count)
    found = []
    for number, ms in enumerate(np.exp(own + np.quantile(speeds, _SHARE))):
        several = [latencies[number] for latencies in sets]
        same = [one.times(float(ms) / max(one.ms, 1e-9)) for one in several]
        median, p10, p90 = (
            float(np.median([getattr(one, name) for one in same]))
            for name in ("median_ms", "p10_ms", "p90_ms")
        )
        repeats, conditions = sum(one.repeats for one in several), several[0].conditions
        found.append(Latency(median, p10, p90, repeats, conditions, float(ms), width))
    return found


def _enough(timed: int, limits: Limits, taken: Sequence[Sequence[float]], *, parts: bool) -> bool:
    """Whether all that is measured is known well enough after so many rounds."""
    step = _LOOK * max(1, timed // (4 * _LOOK))
    if timed < _LOOK or timed % step or not limits.precision:
        return False
    levels = levelled(taken, limits.warmup)
    if parts:
        off = math.hypot(*(one.half_width * one.ms for one in levels))
        return off <= limits.precision * math.fsum(one.ms for one in levels)
    share = limits.precision * (_ALONE if len(taken) == 1 else 1)
    return all(
        one.half_width <= share or sum(values) >= 1e3 * limits.seconds
        for one, values in zip(levels, taken, strict=True)
    )


def half_width(values: Sequence[float] | NDArray[np.float64], share: float) -> float:
    """Half of a 95 % confidence interval of a quantile.

    The interval is between two order statistics (Conover, Practical Nonparametric Statistics, 1999,
    section 3.2), so it takes no distribution for granted; infinite for too few values.
    """
    count, ordered = len(values), sorted(values)
    reach = _SURE * math.sqrt(count * share * (1 - share))
    low, high = math.floor(count * share - reach), math.ceil(count * share + reach)
    if low < 0 or high >= count:
        return math.inf
    return float(ordered[high] - ordered[low]) / 2


def summed_up(milliseconds: Sequence[float], conditions: Mapping[str, str | int]) -> Latency:
    """Lower quartile, median, 10th and 90th percentile, to the nanosecond."""
    found = np.quantile(np.array(milliseconds, dtype=float), (_SHARE, 0.5, 0.1, 0.9))
    quartile, median, p10, p90 = (round(float(value), 6) for value in found)
    return Latency(median, p10, p90, len(milliseconds), conditions, quartile)


def _spread(latency: Latency) -> float:
    return latency.p90_ms / max(latency.ms, 1e-9)
