"""The one loop: the strategy proposes, workers estimate, the strategy learns, all of it is kept."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from nascli.core.budget import Budget, OutOfTime
from nascli.core.evaluation import Judging
from nascli.core.failures import Failures
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.known import Known, again, same
from nascli.core.space import size
from nascli.core.strategy import Strategy
from nascli.core.traits import traits_of
from nascli.core.trial import History, Open, Proposal, Trial
from nascli.core.workers import Workers

_SETTLED = 20_000  # trials
_MOST_AT_ONCE = 10_000  # proposals; no workers take more
_MOMENT = 1e-3  # seconds that are not worth a line of arithmetic, twenty thousand times a second


@dataclass
class Search:
    """One search under way.

    A genotype that is known at the same fidelity, or one that `canonical` shows to be equivalent,
    is not estimated again. Under `budget.repeats` the strategy is told of the former at once and
    the history has no line of it, unless strategy and estimator share weights. `recorded` are
    trials of an interrupted search that `history` does not yet hold, in the order in which they
    ended: they are given back in that order instead of being estimated again, so that a resumed
    search takes the same steps. `asking` are the seconds that went into a proposal before the time
    was over. `what` is what messages call its trials.
    """

    strategy: Strategy
    evaluation: Judging
    workers: Workers
    budget: Budget
    history: History = field(default_factory=History)
    recorded: dict[int, Trial] = field(default_factory=dict)
    open: dict[int, Open] = field(default_factory=dict)
    number: int = 0
    asking: float = 0.0
    what: str = "trials"
    _ready: deque[Trial] = field(default_factory=deque)
    _behind: set[int] = field(default_factory=set)  # open ones that wait for the same, under way
    _asked: int = 0  # proposals by the last trial told of that was no repeat
    _failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        self._known = Known(self.evaluation.key)

    @property
    def repeats(self) -> int:
        """How many proposals were repeats of which the history has no line."""
        return self.number - len(self.open) - len(self.history)

    def restore(self, trials: Iterable[Trial], waiting: Mapping[int, Open], number: int) -> None:
        """Takes trials that the strategy was told of, and proposals that it waits for.

        `number` is that of the next proposal.
        """
        for trial in trials:
            self._book(trial)
        self.number = number
        self.budget.seen = number - len(waiting)
        for before, proposal in waiting.items():
            self._start(before, proposal)

    def run(self, ended: Callable[[Trial], None]) -> Genotype | None:
        """Searches until the budget or the strategy ends; calls `ended` for every trial.

        The strategy is asked for one proposal at a time and told of a repeat before the next, and
        every trial says how many proposals there were by then. So the history alone says what the
        strategy was asked and told, whatever the workers were doing.

        Raises:
            Fault: too many trials failed, or `recorded` does not follow from this search.
            OutOfTime: the budget's seconds were over in the middle of a proposal or of a trial,
                which stays open.
        """
        while True:
            self._ask()
            replayed = bool(self.recorded)
            trial = self._next()
            if trial is None:
                return self.strategy.recommend(self.history)
            trial = trial.told(self.number)
            self.strategy.tell([trial])
            self._book(trial)
            if self._behind:
                self._release(trial)
            ended(trial)
            if trial.error and not replayed:
                self._check_failures()

    def _ask(self) -> None:
        """Fills the workers with proposals, or takes those that are on record."""
        room = self._room()
        self.budget.replaying = bool(self.recorded)
        while room > 0:
            start = time.perf_counter() - self.asking
            try:
                proposals = self.strategy.ask(1)
            except OutOfTime:
                self.asking = time.perf_counter() - start
                raise
            self.asking, asked = 0.0, time.perf_counter() - start
            if not proposals:
                return
            number, self.number = self.number, self.number + 1
            known = self._known.trial(proposals[0]) if self._skips else None
            if known is None or number in self.recorded:
                self._start(number, Open(proposals[0], asked))
                room -= 1
            else:
                self._repeat(number, proposals[0], known)
                room = self._room()

    @cached_property
    def _skips(self) -> bool:
        """Whether repeats have no line; what is known of shared weights changes under way."""
        shares = traits_of(self.strategy).weight_sharing
        return self.budget.repeats is not None and not shares

    def _repeat(self, number: int, proposal: Proposal, known: Trial) -> None:
        """Tells the strategy what is known of its proposal, and nobody else."""
        self.budget.charge(0)
        self.strategy.tell([again(known, number, proposal)])

    def _release(self, trial: Trial) -> None:
        """Tells of what waited for the same as `trial`."""
        for number in sorted(self._behind):
            if same(self.open[number].proposal, trial):
                self._behind.remove(number)
                self._repeat(number, self.open.pop(number).proposal, trial)

    def _room(self) -> int:
        """How many proposals to ask for."""
        if self.recorded:
            number, trial = next(iter(self.recorded.items()))
            room = (trial.asked or number + 1) - self.number
            if room > _MOST_AT_ONCE + (self.budget.repeats or 0):
                raise Fault(
                    f"the history does not follow from this config: by trial {number}, "
                    f"{room:,} proposals are said to have been asked for at once"
                )
            return room
        if self._finished() is not None:
            return 0
        started = [w.proposal for n, w in self.open.items() if n not in self._behind]
        worth = sum(self._share(proposal.fidelity) for proposal in started)
        free = self.workers.capacity - len(started)
        return min(free, self.budget.left(len(self.open), worth))

    def _finished(self) -> str | None:
        """Why nothing new is to be expected; None if it is."""
        most = self.budget.repeats
        if most is None or not self._skips:
            return None
        if self._known.count(self.evaluation.problem.fidelity) >= self._size:
            every = f"all {self._size:,} genotypes" if self._size > 1 else "the one genotype"
            return f"{every} of the space {'are' if self._size > 1 else 'is'} known"
        if self.number - self._asked >= most:
            return f"budget.repeats={most} proposals in a row were known"
        return None

    @property
    def reason(self) -> str:
        """Why the search has ended."""
        found = self._finished() or self.budget.used_up
        if found is None and self._all_proposed:
            return f"the strategy has no more {self.what}"
        return found or "the strategy has no more proposals"

    @property
    def exhausted(self) -> bool:
        """Of a search that has ended, whether its strategy has come to its own end."""
        return self._all_proposed or (self._finished() or self.budget.used_up) is None

    @property
    def _all_proposed(self) -> bool:
        own = traits_of(self.strategy).trials
        return own is not None and self.number >= own

    @cached_property
    def _size(self) -> int:
        return size(self.evaluation.problem.space)

    def _share(self, fidelity: float) -> float:
        """What a trial takes of a full one."""
        return fidelity / self.evaluation.problem.fidelity

    def _start(self, number: int, waiting: Open) -> None:
        """Gives a proposal to a worker, if nothing else answers it."""
        behind = bool(self.open) and self._under_way(waiting.proposal)
        self.open[number] = waiting
        if number in self.recorded:
            return
        if behind:
            self._behind.add(number)
            return
        trial = self._answered(number, waiting.proposal)
        if trial is None:
            self.workers.submit(number, waiting.proposal)
        else:
            self._ready.append(trial)

    def _under_way(self, proposal: Proposal) -> bool:
        """Whether the same is, and its answer will do for `proposal` too."""
        found = any(same(waiting.proposal, proposal) for waiting in self.open.values())
        return found and self._skips and self._known.key(proposal.genotype) is not None

    def _next(self) -> Trial | None:
        """The next trial to tell of; None when nothing is under way."""
        trial = self._replayed() if self.recorded else None
        if trial is not None:
            return trial
        if not self.open:
            return None
        if not self._ready:
            self._ready.extend(map(self._timed, self._waited()))
        trial = self._ready.popleft()
        del self.open[trial.number]
        return trial

    def _waited(self) -> Sequence[Trial]:
        """What the workers have ended, at least one."""
        start, left = time.perf_counter(), self.budget.seconds_left
        try:
            trials = self.workers.wait() if left is None else self.workers.wait(left)
            if not trials:
                raise OutOfTime
        except OutOfTime:
            if self.workers.capacity == 1:  # what it took so far counts, for it is gone on with
                next(iter(self.open.values())).asked += time.perf_counter() - start
            raise
        return trials

    def _replayed(self) -> Trial | None:
        """The first recorded trial that has been asked for."""
        number = next((number for number in self.recorded if number in self.open), None)
        if number is None:
            return None
        recorded, proposal = self.recorded.pop(number), self.open.pop(number).proposal
        if (recorded.genotype, recorded.fidelity) != (proposal.genotype, proposal.fidelity):
            raise Fault(
                f"the history does not follow from this config: trial {number} is "
                f"{recorded.genotype} at fidelity {recorded.fidelity:g}, but the strategy proposes "
                f"{proposal.genotype} at {proposal.fidelity:g}; start a new run instead of "
                "resuming this one"
            )
        return recorded

    def _timed(self, trial: Trial) -> Trial:
        """The trial with the time of its proposal added: a gradient search trains in `ask`."""
        asked = self.open[trial.number].asked
        return replace(trial, seconds=trial.seconds + asked) if asked > _MOMENT else trial

    def _answered(self, number: int, proposal: Proposal) -> Trial | None:
        """The trial of `proposal` if it needs no worker."""
        known = self._known.answer(proposal)
        if known is None:
            return None
        if known.error is not None or len(self.evaluation.estimators) == 1:
            return again(known, number, proposal)
        return self.evaluation(number, proposal, known)

    def _book(self, trial: Trial) -> None:
        """Adds a trial to the history and charges it to the budget."""
        repeated = self._known.add(trial)
        self.history.append(trial)
        self._asked = max(self._asked, trial.asked)
        if len(self.history) % _SETTLED == 0:  # a history stays: spare the collector its trials
            gc.collect()
            gc.freeze()
        share = self._share(trial.fidelity)
        self.budget.charge(0 if repeated or trial.infeasible is not None else share)
        self._failures.add(trial, share)

    def _check_failures(self) -> None:
        """Raises a Fault if there is no sense in going on."""
        limits = (self.budget.trials, traits_of(self.strategy).trials, self._size)
        full = min(limit for limit in limits if limit is not None)
        reason = self._failures.reason(self.what, self.budget.failures, full)
        if reason is not None:
            raise Fault(f"{reason} (log.txt in the run folder has the tracebacks)")
