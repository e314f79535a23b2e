"""How every device that runs networks itself takes its times: interleaved rounds, quantiles.

No torch: a pass is whatever gives its own milliseconds.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nascli.core.device import Latency
from nascli.devices.settings import Limits

Pass = Callable[[], float]
_SHARE = 0.25  # the quantile that stands for a latency
_SURE = 1.96  # standard deviations of a 95 % confidence interval
_AGAIN = 2  # times that what other work has spoilt is measured again
_LOOK = 5  # rounds between two looks at how well the quantiles are known


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
    passes: Sequence[Pass], limits: Limits, conditions: Mapping[str, str | int]
) -> list[Latency]:
    """The latencies of all passes, in interleaved rounds.

    Those that other work has spoilt (`Latency.steady`) are measured again together, at most twice;
    of each pass the best set of rounds is kept.
    """
    found = [summed_up(values, conditions) for values in rounds(passes, limits)]
    for _ in range(_AGAIN):
        bad = [number for number, latency in enumerate(found) if not latency.steady]
        again = rounds([passes[number] for number in bad], limits)
        for number, values in zip(bad, again, strict=True):
            latency = summed_up(values, conditions)
            found[number] = min(found[number], latency, key=_spread)
    return found


def rounds(passes: Sequence[Pass], limits: Limits) -> list[list[float]]:
    """Calls every pass once a round and gives each one's milliseconds, those of warm-up dropped.

    A machine that slows down for a while then slows all passes alike. Where there are several, each
    is called once untimed right before it is timed: its neighbours have taken its place in the
    caches, and a latency must not depend on what is measured beside it. No pass drops out before
    its second timed call, and warm-up is at most half of those.
    """
    taken: list[list[float]] = [[] for _ in passes]
    for number in range(limits.warmup + limits.repeats):
        going = [
            (run, values)
            for run, values in zip(passes, taken, strict=True)
            if len(values) < 2 or sum(values) < 1e3 * limits.seconds
        ]
        if not going or _enough(number, limits, [values for _, values in going]):
            break
        for run, values in going:
            if len(passes) > 1:
                run()
            values.append(run())
    return [values[min(limits.warmup, len(values) // 2) :] for values in taken]


def _enough(number: int, limits: Limits, going: Sequence[Sequence[float]]) -> bool:
    """Whether all that still runs is known well enough."""
    timed = number - limits.warmup
    if timed < _LOOK or timed % _LOOK or not limits.precision:
        return False
    return all(half_width(values[limits.warmup :]) <= limits.precision for values in going)


def half_width(values: Sequence[float]) -> float:
    """Half of a 95 % confidence interval of the lower quartile, as a share of it.

    The interval is between two order statistics (Conover, Practical Nonparametric Statistics, 1999,
    section 3.2), so it takes no distribution for granted; infinite for too few values.
    """
    count, ordered = len(values), sorted(values)
    reach = _SURE * math.sqrt(count * _SHARE * (1 - _SHARE))
    low, high = math.floor(count * _SHARE - reach), math.ceil(count * _SHARE + reach)
    if low < 0 or high >= count:
        return math.inf
    return (ordered[high] - ordered[low]) / 2 / max(ordered[int(count * _SHARE)], 1e-9)


def summed_up(milliseconds: Sequence[float], conditions: Mapping[str, str | int]) -> Latency:
    """Lower quartile, median, 10th and 90th percentile, to the nanosecond."""
    found = np.quantile(np.array(milliseconds, dtype=float), (_SHARE, 0.5, 0.1, 0.9))
    quartile, median, p10, p90 = (round(float(value), 6) for value in found)
    return Latency(median, p10, p90, len(milliseconds), conditions, quartile)


def _spread(latency: Latency) -> float:
    return latency.p90_ms / max(latency.ms, 1e-9)
