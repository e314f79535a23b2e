"""How devices take the energy of a forward pass, by a counter of all that the hardware uses."""

from __future__ import annotations

import time
from collections.abc import Callable

from nascli.core.energy import Counter
from nascli.core.fault import Fault

_PRECISION = 0.01  # of a window's energy: what the counter's steps may add or lack
_WINDOW = 0.2  # seconds, at least
_WINDOWS = 3
_STILL = 1.0  # seconds without a step, after which a counter counts nothing

Clock = Callable[[], float]


def opened(make: Callable[[], Counter], clock: Clock = time.perf_counter) -> Counter:
    """The counter that `make` gives, which counts.

    Raises:
        Fault: it cannot be read, or stands still.
    """
    try:
        counter = make()
        _stepped(counter, lambda: None, clock)
    except Fault as fault:
        raise Fault(f"device.energy=true: {fault}; leave it out to go without energy") from fault
    return counter


def millijoules(
    run: Callable[[], object], counter: Counter, clock: Clock = time.perf_counter
) -> float:
    """The energy of one call of `run`, by what all of the hardware uses meanwhile.

    Calls are counted from one step of the counter to another one, so what a window lacks or has too
    much at either end is at most a call, and at most what is used between two steps; windows are
    long enough for that to be a share of `_PRECISION`. The least of three stands for the energy,
    since whatever else runs only ever adds to it.

    Raises:
        Fault: the counter stands still, or cannot be read any more.
    """
    run()
    began = clock()
    run()
    at_an_end = min(clock() - began, counter.period)
    seconds = max(_WINDOW, 2 * at_an_end / _PRECISION)
    return min(_window(run, counter, clock, seconds) for _ in range(_WINDOWS))


def _window(run: Callable[[], object], counter: Counter, clock: Clock, seconds: float) -> float:
    start, _ = _stepped(counter, run, clock)
    calls, end = 0, clock() + seconds
    while clock() < end:
        run()
        calls += 1
    stop, more = _stepped(counter, run, clock)
    return (stop - start) / (calls + more)


def _stepped(counter: Counter, run: Callable[[], object], clock: Clock) -> tuple[float, int]:
    """Calls `run` until the counter steps; what it then says, and how many calls that were."""
    first, calls, end = counter.millijoules(), 0, clock() + _STILL
    while (now := counter.millijoules()) == first:
        if clock() > end:
            raise Fault("the energy counter stands still")
        run()
        calls += 1
    return now, calls
