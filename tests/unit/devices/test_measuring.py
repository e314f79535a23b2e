"""Measuring against a fake clock: passes that say how long they took."""

import math
import random
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from nascli.core.device import Latency, unsteady
from nascli.core.fault import Fault
from nascli.devices import measuring, running, settings
from nascli.devices.settings import Limits


def script(log, name, milliseconds, alone=False):
    """A pass that notes its turn and takes the next of the given times.

    Unless it is alone, every second call is the one that counts.
    """
    times = iter(milliseconds)

    def run():
        log.append(name)
        counts = alone or log.count(name) % 2 == 0
        return next(times) if counts else 1e9

    return run


ALL = {"precision": 0}  # every repeat, however well the quantile is known


def test_rounds_alternate_and_drop_the_warm_up():
    log = []
    limits = Limits(warmup=2, repeats=3, **ALL)

    def passes():
        return [script(log, "a", [9, 9, 1, 2, 3]), script(log, "b", [9, 9, 4, 5, 6])]

    assert measuring.rounds(passes(), limits) == [[9, 9, 1, 2, 3], [9, 9, 4, 5, 6]]
    # the first of two finds the caches as the other has left them
    calls = "".join(log)
    assert {calls[four : four + 4] for four in range(0, 20, 4)} == {"aabb", "bbaa"}
    log.clear()
    first, second = measuring.timed(passes(), limits, {})
    assert (first.median_ms, first.repeats) == (2, 3)
    assert (second.median_ms, second.repeats) == (5, 3)
    assert first.half_width is None  # of three values no interval


def test_alone_a_pass_is_called_no_more_than_it_is_timed():
    log = []
    limits = Limits(warmup=1, repeats=2, **ALL)
    assert measuring.rounds([script(log, "a", [9, 1, 2], alone=True)], limits) == [[9, 1, 2]]
    assert log == ["a"] * 3


def test_a_slow_pass_drops_out_and_the_others_go_on():
    log = []
    passes = [script(log, "a", [400, 401, 402]), script(log, "b", [1] * 9)]
    slow, fast = measuring.timed(passes, Limits(warmup=3, repeats=6, seconds=1, **ALL), {})
    # 1,000 ms are reached with the third call; warm-up is at most half of the three
    assert (slow.median_ms, slow.repeats) == (401.5, 2)
    assert (fast.ms, fast.repeats) == (1, 6)
    assert log.count("a") == 6


def test_a_very_slow_pass_is_warmed_once_and_timed_once():
    (latency,) = measuring.timed([script([], "a", [9000, 8000], alone=True)], Limits(), {})
    assert (latency.ms, latency.repeats) == (8000, 1)


def noisy(log, name, share, seed):
    """A pass of a millisecond and up to so much of it more."""
    draw = random.Random(seed)

    def run():
        log.append(name)
        return 1 + share * draw.random()

    return run


def test_rounds_end_when_every_latency_is_known_as_well_as_asked():
    log = []
    limits = Limits(warmup=2, repeats=2000, precision=0.01)
    taken = measuring.rounds([noisy(log, "a", 0.001, 1), noisy(log, "b", 0.2, 2)], limits)
    steady, rough = taken
    assert len(steady) == len(rough) < 2000  # what is known goes on, in the rounds of the others
    assert max(one.half_width for one in measuring.levelled(taken, 2)) <= 0.01
    less = [values[: -len(values) // 5] for values in taken]
    assert max(one.half_width for one in measuring.levelled(less, 2)) > 0.01
    assert log.count("a") == log.count("b") == 2 * len(rough)
    alone = measuring.rounds([noisy([], "a", 0.001, 1)], limits)[0]
    assert 12 < len(alone) < 32


def test_alone_a_pass_need_be_known_a_fifth_as_well():
    """What it lies off then is the machine's state, which passes of the same second share."""
    limits = Limits(warmup=2, repeats=2000, precision=0.01)
    rough = measuring.rounds([noisy([], "a", 0.2, 2)], limits)[0][2:]
    assert 0.01 < measuring.half_width(rough, 0.25) / np.quantile(rough, 0.25) <= 0.05
    finer = Limits(warmup=2, repeats=2000, precision=0.002)
    fine = measuring.rounds([noisy([], "a", 0.2, 2)], finer)[0][2:]
    assert measuring.half_width(fine, 0.25) / np.quantile(fine, 0.25) <= 0.01
    assert len(fine) > 5 * len(rough)


def test_of_layers_the_sum_is_what_has_to_be_known():
    """One of a hundredth of the others' time may be as rough as it is."""
    limits = Limits(warmup=2, repeats=400, precision=0.01)

    def passes():
        small = noisy([], "small", 0.5, 9)
        return [noisy([], "a", 0.2, n) for n in range(9)] + [lambda: small() / 100]

    each, together = (measuring.rounds(passes(), limits, parts=parts) for parts in (False, True))
    assert len(each[0]) == 402 and 20 < len(together[0]) < 200
    found = measuring.levelled(together, 2)
    assert found[-1].half_width > 0.01
    off = sum((one.half_width * one.ms) ** 2 for one in found) ** 0.5
    assert off <= 0.01 * sum(one.ms for one in found)


def in_spells(own, rounds, share, noise=0.0, seed=5, slow=1.6):
    """Milliseconds of passes on a machine that is fast for a share of the time, in spells."""
    draw = random.Random(seed)
    left, fast = 0, True

    def machine(ms):
        nonlocal left, fast
        if not left:
            fast = draw.random() < share
            left = draw.randint(80, 240)  # a pass is called twice
        left -= 1
        return ms * (1 if fast else slow) * (1 + noise * draw.random())

    passes = [partial(machine, ms) for ms in own]
    return measuring.rounds(passes, Limits(warmup=0, repeats=rounds, seconds=1e9, **ALL))


OWN = [1 + n / 40 for n in range(72)]


def levels(taken, warmup=0):
    return [one.ms for one in measuring.levelled(taken, warmup)]


def test_the_speed_of_the_machine_is_taken_out_of_each_moment():
    """Without noise every pass comes out as it is at the quartile of the machine's speeds."""
    own = OWN[::3]
    assert levels(in_spells(own, 40, share=0.5)) == pytest.approx(own, rel=0.005)
    slow = [1.6 * ms for ms in own]
    assert levels(in_spells(own, 40, share=0.05)) == pytest.approx(slow, rel=0.005)
    assert measuring.levelled([]) == []


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.6, 0.9])
def test_passes_do_not_fall_on_both_sides_of_two_speeds(share):
    for seed in range(5):
        taken = in_spells(OWN, 60, share=share, noise=0.1, seed=seed)
        found = measuring.levelled(taken)
        ratios = [one.ms / own for one, own in zip(found, OWN, strict=True)]
        assert max(ratios) / min(ratios) < 1.06
        # as uniform noise of a tenth has it: 1.96 * 0.1 / 2 / sqrt(60), not as two speeds do
        assert np.median([one.half_width for one in found]) == pytest.approx(0.0127, rel=0.3)


def test_errors_do_not_add_up_along_the_list():
    """Each pass is as well known beside the farthest as beside the next.

    The median of n even draws is off by their range / (2 sqrt(n)). In one order for all rounds
    passes far apart were off by three times as much.
    """
    own = [1.0] * 240
    logs = np.log([levels(in_spells(own, 60, share=0.5, noise=0.1, seed=s)) for s in range(4)])
    apart = {lag: float(np.std(logs[:, lag:] - logs[:, :-lag])) for lag in (1, 120)}
    expected = math.sqrt(2) * 0.1 / 1.05 / (2 * math.sqrt(60))
    assert apart == pytest.approx({1: expected, 120: expected}, rel=0.2)


def test_every_round_has_an_order_of_its_own():
    orders = [tuple(measuring.order(number, 9)) for number in range(50)]
    assert len(set(orders)) == 50 and orders[7] == tuple(measuring.order(7, 9))
    assert {tuple(sorted(one)) for one in orders} == {tuple(range(9))}
    assert measuring.order(3, 0) == []


def test_plain_quartiles_fall_on_both_sides_where_a_quarter_of_the_time_is_fast():
    def apart(seed):
        taken = in_spells(OWN, 60, share=0.25, noise=0.1, seed=seed)
        plain = [np.quantile(values, 0.25) / own for values, own in zip(taken, OWN, strict=True)]
        return max(plain) / min(plain)

    assert max(apart(seed) for seed in range(5)) > 1.2


def test_a_spell_that_some_passes_have_no_share_in_tells_nothing_of_the_others():
    """A slow pass ends with its third round, and the machine slows down behind that."""
    taken = [[100.0] * 3, [1.0] * 3 + [1.6] * 40, [2.0] * 3 + [3.2] * 40]
    assert levels(taken) == pytest.approx([160, 1.6, 3.2])
    late = [[7.0, 100.0], [9.0] + [1.6] * 41, [9.0] + [3.2] * 41]
    assert levels(late, warmup=1) == pytest.approx([100, 1.6, 3.2])  # what counts was slow, too


def test_slow_passes_are_compared_with_what_was_measured_beside_them():
    """Ten seconds in, the machine takes 1.6 times as long; most of the slow passes were before.

    They count from their second round on, the short ones from the sixth: those before tell the
    speed of the machine all the same.
    """
    now = 0.0

    def machine(ms):
        nonlocal now
        ms *= 1.6 if now > 10_000 else 1
        now += ms
        return ms

    own = [400.0, 5.0, 6.0, 300.0, 7.0, 350.0, 8.0, 9.0]
    limits = Limits(warmup=5, repeats=100, seconds=1, **ALL)
    taken = measuring.rounds([partial(machine, ms) for ms in own], limits)
    found = np.array(levels(taken, warmup=5)) / own
    assert len(taken[0]) == 3 and found.max() / found.min() == pytest.approx(1, abs=0.02)
    first = measuring.levelled(taken, 5)[1]
    assert first.first == 5  # and yet it is not counted where it was cold
    cold = [[3.0] * 5 + [1.0] * 4, [2.0] * 9, [4.0] * 9, [5.0] * 9, [50.0] * 2]
    assert levels(cold, warmup=5) == pytest.approx([1, 2, 4, 5, 50])


def test_what_hits_one_pass_alone_leaves_it_and_its_neighbours_as_they_are():
    taken = [[float(n + 1)] * 20 for n in range(6)]
    taken[2][4:9] = [50.0] * 5
    assert levels(taken) == pytest.approx([1, 2, 3, 4, 5, 6])


def test_times_below_what_the_clock_can_tell_are_times_all_the_same():
    assert levels([[0.0] * 9]) == [0]
    assert levels([[0.0] * 9, [1.0] * 9]) == pytest.approx([0, 1], abs=1e-6)


def test_the_interval_holds_the_true_quartile_as_often_as_it_says():
    """Of uniform times in 1 .. 2 the lower quartile is 1.25; few values give no interval."""
    assert measuring.half_width([1.0] * 9, 0.25) == math.inf
    assert measuring.half_width([1.0] * 5, 0.5) == math.inf
    assert measuring.half_width([1.0] * 40, 0.25) == 0
    draw, inside = random.Random(3), 0
    for _ in range(400):
        values = sorted(1 + draw.random() for _ in range(60))
        inside += abs(values[15] - 1.25) <= 2 * measuring.half_width(values, 0.25)
    (alone,) = measuring.levelled([[9.0, *values]], warmup=1)
    assert alone.ms == pytest.approx(np.quantile(values, 0.25)) and alone.first == 1
    assert alone.half_width == measuring.half_width(values, 0.25) / alone.ms
    assert inside > 0.95 * 400  # twice the half width holds it, wherever in the interval it is


def test_what_other_work_has_spoilt_is_measured_again_and_the_best_is_kept():
    log = []
    spoilt, better, good = [1.0] * 8 + [30.0, 40.0], [1.0] * 8 + [5.0, 6.0], [1.0] * 10
    limits = Limits(warmup=0, repeats=10, **ALL)
    spare = script(log, "a", spoilt + better + good)
    first, second = measuring.timed([spare, lambda: log.append("b") or 2.0], limits, {})
    assert second.ms == pytest.approx(2.0, rel=0.01) and second.steady
    assert log.count("b") == 60 and first.steady
    assert second.half_width == pytest.approx(0, abs=0.01)
    assert first.p90_ms == pytest.approx(1.0, rel=0.01)
    (worst,) = measuring.timed([script([], "a", better + spoilt + spoilt, alone=True)], limits, {})
    assert worst.p90_ms == pytest.approx(5.1) and not worst.steady  # 9 steps of 10: 5 + 0.1 * 1


def test_what_is_measured_again_is_told_at_the_speed_of_the_others():
    """The machine takes twice as long by then, as two that were not spoilt say beside it."""
    limits = Limits(warmup=0, repeats=10, **ALL)

    def passes():
        spoilt = [3.0] * 8 + [90.0] * 2
        first = [
            script([], "a", [1.0] * 10 + [2.0] * 10),
            script([], "b", [5.0] * 10 + [10.0] * 10),
        ]
        return [*first, script([], "c", spoilt + [6.0] * 10)]

    latencies = measuring.timed(passes(), limits, {})
    assert [one.ms for one in latencies] == pytest.approx([1, 5, 3])
    assert latencies[2].p90_ms == pytest.approx(3) and latencies[2].steady
    called = []
    many = [script([], f"{n}", [1.0] * 20) for n in range(12)]
    many = [lambda one=one, n=n: called.append(n) or one() for n, one in enumerate(many)]
    measuring.timed([*many, passes()[2]], limits, {})
    again = called[12 * 20 :]
    assert sorted(set(again)) == [0, 3, 6, 9]  # not all: at most five, from all over


def test_where_all_was_spoilt_all_tell_how_fast_the_machine_is_by_then():
    """The second time it takes twice as long, and one set of each pass is better than the other."""
    limits = Limits(warmup=0, repeats=10, **ALL)
    spoilt, worse = [1.0] * 8 + [30.0] * 2, [1.0] * 8 + [90.0] * 2
    own = [1.0, 2.0, 3.0, 4.0]

    def passes():
        for number, ms in enumerate(own):
            sets = (spoilt, worse, worse) if number % 2 else (worse, spoilt, worse)
            slower = (1, 2, 2)
            times = [ms * by * one for by, given in zip(slower, sets, strict=True) for one in given]
            yield script([], f"{number}", times)

    found = [one.ms for one in measuring.timed(list(passes()), limits, {})]
    assert found == pytest.approx([found[0] * ms for ms in own], rel=0.02)


def test_sets_of_rounds_are_one_latency_each_whatever_the_speed_of_a_set():
    """Passes of 1, 2 and 4 ms, off by a hundredth at random; the sets are up to twice as slow."""
    draw = random.Random(2)
    speeds, own, off = (1.0, 2.0, 1.2, 1.5), (1.0, 2.0, 4.0), {}
    sets = []
    for at, speed in enumerate(speeds):
        off |= {(at, n): 0.01 * draw.gauss(0, 1) for n in range(3)}
        passes = [ms * speed * math.exp(off[at, n]) for n, ms in enumerate(own)]
        sets.append([Latency(1.1 * ms, 0.9 * ms, 1.3 * ms, 7, {"a": 1}, ms) for ms in passes])
    found = measuring.together(sets)
    one, two, four = (latency.ms for latency in found)
    assert two / one == pytest.approx(2, rel=0.02) and four / one == pytest.approx(4, rel=0.02)
    # the lower quartile of 1, 1.2, 1.5 and 2 is at 1.2 / 1.2^(1/4), by their logarithms
    assert one == pytest.approx(1.2 / 1.2**0.25, rel=0.02)
    assert found[0].median_ms == pytest.approx(1.1 * one) and found[0].steady
    assert (found[0].p10_ms, found[0].p90_ms) == pytest.approx((0.9 * one, 1.3 * one))
    assert (found[0].repeats, found[0].conditions) == (28, {"a": 1})
    assert 0.003 < found[0].half_width < 0.03  # 1.96 * 0.01 / sqrt(4) on average
    exact = [[replace(row[0], lower_quartile_ms=ms * s) for ms in own] for s, row in zip(
        speeds, sets, strict=True
    )]  # fmt: skip
    assert measuring.together(exact)[2].half_width == pytest.approx(0, abs=1e-9)
    assert measuring.together(sets[:1])[0].ms == pytest.approx(sets[0][0].ms)
    (alone,) = measuring.together([row[:1] for row in sets])
    assert alone.half_width is None and alone.ms == pytest.approx(one, rel=0.02)


@pytest.mark.filterwarnings("error")
def test_sets_of_nothing_are_nothing():
    assert measuring.together([[], [], []]) == []


def test_a_spoilt_measurement_says_so():
    good, bad = Latency(2.0, 1.9, 2.5, 9, {}, 1.95), Latency(3.7, 3.5, 37.0, 9, {}, 3.6)
    assert unsteady([good], "network") is None
    text = unsteady([bad], "network")
    assert "latency of this network is uncertain" in text and "37 ms or more" in text
    assert "latency of 1 of 2 layers" in unsteady([good, bad], "layer")
    tiny = Latency(0.001, 0.001, 0.009, 9, {}, 0.001)  # the clock's own jitter
    assert unsteady([tiny], "layer") is None


def test_a_latency_stands_for_its_lower_quartile_where_that_is_known():
    latency = measuring.summed_up([float(n) for n in range(11)], {"batch": 1})
    assert (latency.p10_ms, latency.ms, latency.median_ms, latency.p90_ms) == (1.0, 2.5, 5.0, 9.0)
    assert (latency.repeats, latency.conditions) == (11, {"batch": 1})
    assert Latency(5.0, 1.0, 9.0, 11).ms == 5.0


def test_ready_copies_the_network_and_fixes_the_images():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = torch.get_rng_state()
    how = {"place": "cpu", "batch": 2, "dtype": "float64", "channels_last": True}
    ours, images = running.ready(network, (3, 8, 8), **how)
    assert torch.equal(torch.get_rng_state(), before)
    assert images.shape == (2, 3, 8, 8)
    assert images.dtype == ours[0].weight.dtype == torch.float64
    for tensor in (images, ours[0].weight):
        assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert not ours.training
    assert network.training
    assert network[0].weight.dtype == torch.float32
    assert torch.equal(images, running.ready(network, (3, 8, 8), **how)[1])


class Clock:
    """A call of 9 ms, of which its thread computed for 5."""

    now = computed = 0

    def __call__(self):
        self.now, self.computed = self.now + 9_000_000, self.computed + 5_000_000

    def perf_counter_ns(self):
        return self.now

    def thread_time_ns(self):
        return self.computed


@pytest.mark.parametrize(
    ("threads", "system", "ms"), [(1, "posix", 5.0), (2, "posix", 9.0), (1, "nt", 9.0)]
)
def test_a_single_thread_that_is_kept_waiting_takes_no_longer(monkeypatch, threads, system, ms):
    clock = Clock()
    monkeypatch.setattr(measuring, "time", clock)
    monkeypatch.setattr(measuring, "os", SimpleNamespace(name=system))
    assert measuring.clocked(clock, threads=threads) == ms


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"seconds": -1}, "device cpu: seconds must be above 0, not -1"),
        ({"repeats": 0}, "device cpu: repeats must be above 0, not 0"),
        ({"warmup": -1}, "device cpu: warmup must be 0 or more, not -1"),
        ({"precision": -0.1}, "device cpu: precision must be 0 or more, not -0.1"),
    ],
)
def test_refuses_limits_that_measure_nothing(limits, message):
    with pytest.raises(Fault, match=message):
        settings.check("cpu", "float32", Limits(**limits))


def test_refuses_what_cannot_be_measured_with():
    with pytest.raises(Fault, match=r"dtype of device cpu 'flot32' is not known; .*'float32'\?"):
        settings.check("cpu", "flot32", threads=1)
    with pytest.raises(Fault, match="device cpu: threads must be above 0, not 0"):
        settings.check("cpu", "float32", threads=0)
    with pytest.raises(Fault) as caught:
        settings.check("cpu", "flot32", Limits(seconds=0, warmup=-1), batch=0, threads=1)
    told = str(caught.value).splitlines()
    assert len(told) == 4 and all(f"{n} must" in str(told) for n in ("batch", "seconds", "warmup"))
