import pytest
from makes import PROPOSAL, plain

from nascli.core.fault import Fault
from nascli.workers import pool
from nascli.workers.pool import DiedError, Failure, Pool


class Scripted:
    """A worker that answers, or dies, as its script says."""

    alive = True

    def __init__(self, script):
        self.script, self.ended, self.started = script, False, []

    def start(self, number, proposal):
        self.started.append(number)

    def answer(self):
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def end(self):
        self.ended = True


class Stage:
    """Workers by script, on a clock that only `ready` moves."""

    def __init__(self, monkeypatch, *scripts, seconds=1.0):
        self.now, self.seconds, self.timeouts = 100.0, seconds, []
        self.hired, self.scripts = [], list(scripts)
        monkeypatch.setattr(pool.time, "monotonic", lambda: self.now)

    def hire(self):
        self.hired.append(Scripted(self.scripts.pop(0)))
        return self.hired[-1]

    def ready(self, workers, timeout):
        self.timeouts.append(timeout)
        step = self.seconds if timeout is None else min(self.seconds, timeout)
        self.now += step
        return [w for w in workers if w.script] if step == self.seconds else []

    def pool(self, retries=2, trial_seconds=None):
        return Pool(4, self.hire, self.ready, retries, trial_seconds)


def trial(number):
    return plain(number, PROPOSAL)


def test_a_dead_worker_is_replaced(monkeypatch):
    stage = Stage(monkeypatch, [DiedError("exit code -9")], [None, trial(3)])
    working = stage.pool()
    working.submit(3, PROPOSAL)
    assert working.wait() == [trial(3)]
    assert [worker.ended for worker in stage.hired] == [True, False]
    assert [worker.started for worker in stage.hired] == [[3], [3]]


@pytest.mark.parametrize(("retries", "times"), [(0, "once"), (1, "2 times"), (2, "3 times")])
def test_a_trial_is_given_up(monkeypatch, retries, times):
    stage = Stage(monkeypatch, *([DiedError("exit code -9")] for _ in range(5)), seconds=2.0)
    working = stage.pool(retries)
    working.submit(0, PROPOSAL)
    (ended,) = working.wait()
    assert ended.error == f"its worker process died {times}, last exit code -9"
    assert (ended.number, ended.genotype, ended.fidelity) == (0, PROPOSAL.genotype, 0.5)
    assert ended.seconds == 2.0 * (retries + 1)
    assert len(stage.hired) == retries + 1 and working.busy == 0


def test_an_idle_worker_takes_the_next_trial_unless_it_has_died(monkeypatch):
    stage = Stage(monkeypatch, [None, trial(0), None, trial(1)], [None, trial(2)])
    working = stage.pool()
    for number in range(3):
        if number == 2:
            stage.hired[0].alive = False
        working.submit(number, PROPOSAL)
        assert working.wait() == [trial(number)]
    assert [worker.started for worker in stage.hired] == [[0, 1], [2]]
    assert stage.hired[0].ended


def test_only_the_trial_itself_is_on_the_clock(monkeypatch):
    # Five seconds to build, then four more to evaluate, of five allowed.
    stage = Stage(monkeypatch, [None, trial(0)], seconds=4.0)
    working = stage.pool(trial_seconds=5.0)
    working.submit(0, PROPOSAL)
    stage.now += 5.0
    assert working.wait() == [trial(0)]
    assert stage.timeouts == [None, 5.0]


def test_what_takes_too_long_is_ended(monkeypatch):
    stage = Stage(monkeypatch, [None], [None, trial(1)], seconds=4.0)
    working = stage.pool(trial_seconds=5.0)
    working.submit(0, PROPOSAL)
    (ended,) = working.wait()
    assert ended.error == "took longer than workers.trial_seconds=5"
    assert ended.seconds == 4.0 + 5.0
    assert stage.hired[0].ended
    working.submit(1, PROPOSAL)
    assert working.wait() == [trial(1)]


def test_what_a_worker_raises():
    with pytest.raises(Fault, match="^no such data$"):
        Failure.of(Fault("no such data")).reraise()
    try:
        raise ValueError("a bug of ours")
    except ValueError as error:
        failure = Failure.of(error)
    with pytest.raises(RuntimeError, match="test_what_a_worker_raises(.|\n)*a bug of ours"):
        failure.reraise()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retries": -1}, "workers.retries is -1; it must be a whole number, 0 or above"),
        ({"retries": 1.5}, "workers.retries is 1.5; it must be a whole number, 0 or above"),
        ({"trial_seconds": 0}, "workers.trial_seconds is 0; it must be a number above 0, or null"),
    ],
)
def test_numbers_that_make_no_sense(monkeypatch, options, says):
    with pytest.raises(Fault) as caught:
        Stage(monkeypatch).pool(**options)
    assert str(caught.value) == says


def test_after_so_many_seconds_nothing_has_ended_and_the_rest_goes_on(monkeypatch):
    stage = Stage(monkeypatch, [None, trial(0)], seconds=4.0)
    working = stage.pool()
    working.submit(0, PROPOSAL)
    assert working.wait(3.0) == []
    assert working.busy == 1 and not stage.hired[0].ended
    assert working.wait(0.0) == []
    assert stage.timeouts == [3.0, 0.0]
    assert working.wait(9.0) == [trial(0)]
