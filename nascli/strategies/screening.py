"""A cheap estimator screens what another strategy proposes; the best go to the real estimator.

Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021 (arXiv 2101.08134), section 4:
zero-cost warm-up. Departure: every round is screened, not the first one alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nascli.core.device import measures
from nascli.core.estimator import MEASURED, Estimator
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.strategy import Strategy
from nascli.core.traits import name_of, traits_of
from nascli.core.trial import History, Proposal, Trial
from nascli.core.words import counted

_OUT = "screened out"
_Rank = tuple[float, float]  # how far a constraint is broken, the loss


class Screening:
    """Rounds of: ask another strategy for `candidates`, rank them cheaply, propose the best `keep`.

    A candidate that the real estimators find infeasible leaves its place to the next in rank. The
    other strategy is told of all its candidates: of those that were proposed, what came of them; of
    the rest, once the round is over, that they failed and are infeasible, so that they rank last
    and hold no place. What was proposed once, or what is equivalent to it, is no candidate any
    more; the search is over when a round has none.

    With `learns` the other strategy searches by the cheap scores themselves: it is told of every
    candidate's at once, and never of what came of those that were proposed. So once-for-all
    specialises a trained supernet (Cai et al. 2020, arXiv 1908.09791, section 3.4): evolution on
    predicted accuracies, of which the best are scored.

    Args:
        problem: what is searched for.
        of: makes the strategy that proposes candidates; it trains no weights of its own.
        by: makes the cheap estimator. What it is for (`objective`, by default the accuracy) ranks;
            a candidate that fails, or whose score is not a number, comes last. Costs among its
            metrics that break a constraint rule a candidate out, unless there is no other.
        candidates: how many are ranked in a round, if the other strategy has so many.
        keep: how many of them are proposed.
        fidelity: share of the recipe that the cheap estimator gets, where it trains.
        learns: whether the other strategy learns from the cheap scores.
        costs: makes what tells the costs of candidates, so that those which break a constraint are
            ruled out; latencies of a device that measures every network are left to the trials.

    Raises:
        Fault: a number makes no sense, or a part shares weights.
    """

    def __init__(
        self,
        problem: Problem,
        of: Callable[[Problem], Strategy],
        by: Callable[[Problem], Estimator],
        candidates: int = 1000,
        keep: int = 20,
        fidelity: float = 1.0,
        learns: bool = False,
        costs: Callable[[Problem], Estimator] | None = None,
    ) -> None:
        if not 1 <= keep <= candidates:
            raise Fault(f"keep is {keep}; it must be from 1 to candidates={candidates}")
        if not 0 < fidelity <= 1:
            raise Fault(f"strategy.fidelity is {fidelity}; it must be above 0 and at most 1")
        self._problem, self._candidates, self._keep = problem, candidates, keep
        for part in (of, by):
            if traits_of(part).weight_sharing:
                raise Fault(
                    f"{name_of(part)} shares weights, and screening trains none; take "
                    "strategy@strategy.of=random and estimator@strategy.by=zero_cost"
                )
        self._of, self._by, self._fidelity = of(problem), by(problem), fidelity
        unmeasured = replace(problem, device=None) if measures(problem.device) else problem
        self._costs = costs(unmeasured) if costs is not None else None
        self._learns, self._told = learns, False
        told = [m for part in (self._costs, self._by) if part is not None for m in part.metrics]
        lacking = [m for m in problem.goal.metrics if m not in (*told, *MEASURED)]
        if learns and lacking:
            raise Fault(
                f"{type(self._by).__name__} gives no {', '.join(lacking)}, which this search looks "
                "at; take estimator@strategy.by=predictor, or strategy.learns=false"
            )
        self._objective = traits_of(self._by).objective
        if self._objective.metric not in self._by.metrics:
            raise Fault(f"{type(self._by).__name__} gives no {self._objective.metric} to rank by")
        self._ranked: list[Proposal] = []  # of this round, the best last
        self._found: list[Proposal] = []  # candidates, while they are not all ranked
        self._open: list[Proposal] = []
        self._bred_trials: dict[tuple[Genotype, float], Trial] = {}  # of this round
        self._good = 0  # trials of this round that were not infeasible
        self._proposed: dict[tuple[Genotype, float], None] = {}  # canonical, fidelity

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The next in rank; a new round once the last trial of the one before has ended."""
        proposals: list[Proposal] = []
        while len(proposals) < limit:
            if self._ranked and self._good + len(self._open) < self._keep:
                proposals.append(self._ranked.pop())
                self._open.append(proposals[-1])
                self._proposed[self._key(proposals[-1])] = None
            elif self._open or not self._begin():
                break
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Passes the trials on."""
        for trial in trials:
            proposal = Proposal(trial.genotype, trial.fidelity)
            if proposal in self._open:
                self._open.remove(proposal)
                self._good += trial.infeasible is None
        if not self._learns:
            self._of.tell(trials)

    def _begin(self) -> bool:
        """Ranks new candidates, or those that the end of the time has kept; False without any.

        Raises:
            OutOfTime: the budget's time is over; the candidates are kept.
        """
        if not self._told and self._by.meaning:
            self._problem.listener.warn(f"candidates: {self._objective.metric} {self._by.meaning}")
        self._told = True
        if not self._found:
            self._dismiss(self._ranked)
            self._ranked, self._good = [], 0
            self._found = self._bred() if self._learns else self._gathered()
        found = self._found
        ranks: list[_Rank] = []
        for number, candidate in enumerate(found, 1):
            self._problem.budget.check()
            ranks.append(self._rank(candidate))
            failed = sum(loss == math.inf for _, loss in ranks)
            text = f"screened {number}/{len(found)} candidates"
            text += f", {failed} without a score" if failed else ""
            self._problem.listener.progress(number / len(found), text)
        order = sorted(range(len(found)), key=lambda number: ranks[number])
        kept = [number for number in order if ranks[number][0] == 0] or order[:1]
        self._dismiss([found[number] for number in order if number not in set(kept)])
        self._ranked, self._found = [found[number] for number in reversed(kept)], []
        return bool(found)

    def _gathered(self) -> list[Proposal]:
        """New candidates of the other strategy, equivalent ones once."""
        found: dict[tuple[Genotype, float], Proposal] = {}
        while len(found) < self._candidates:
            before = len(found)
            for proposal in self._of.ask(self._candidates - before):
                key = self._key(proposal)
                if key in found or key in self._proposed:
                    self._dismiss([proposal])
                else:
                    found[key] = proposal
            if len(found) == before:
                break
        return list(found.values())

    def _bred(self) -> list[Proposal]:
        """New candidates of the other strategy, which learns from the cheap score of each.

        Raises:
            OutOfTime: the budget's time is over; they are bred anew.
        """
        found: dict[tuple[Genotype, float], Trial] = {}
        again = 0  # known ones in a row
        while len(found) < self._candidates and again < self._candidates:
            self._problem.budget.check()
            proposals = self._of.ask(1)
            if not proposals:
                break
            (proposal,) = proposals
            key = self._key(proposal)
            again = again + 1 if key in found else 0
            trial = found.get(key) or self._cheap(proposal)
            self._of.tell([replace(trial, genotype=proposal.genotype)])
            found[key] = trial
            share = len(found) / self._candidates
            self._problem.listener.progress(share, f"bred {counted(len(found), 'candidate')}")
        self._bred_trials = found
        kept = {key: trial for key, trial in found.items() if key not in self._proposed}
        return [Proposal(trial.genotype, trial.fidelity) for trial in kept.values()]

    def _rank(self, candidate: Proposal) -> _Rank:
        """What is said of a candidate cheaply; the least comes first."""
        trial = self._bred_trials.get(self._key(candidate)) or self._cheap(candidate)
        loss = math.inf if trial.error else self._objective.loss(trial.metrics)
        violation = 0.0 if trial.error else self._problem.goal.violation(trial)
        return violation, math.inf if math.isnan(loss) else loss

    def _cheap(self, candidate: Proposal) -> Trial:
        """The costs of a candidate, and what the cheap estimator says of it."""
        asked = Proposal(candidate.genotype, self._fidelity)
        metrics: dict[str, float] = {}
        try:
            for estimator in (self._costs, self._by):
                metrics |= {} if estimator is None else estimator.estimate(asked)
        except Fault:
            raise
        except Exception as error:  # one bad network must not end a search
            return replace(_trial(candidate, {}, None), error=f"{type(error).__name__}: {error}")
        return _trial(candidate, metrics, self._problem.goal.broken(metrics))

    def _key(self, proposal: Proposal) -> tuple[Genotype, float]:
        return self._problem.space.canonical(proposal.genotype), proposal.fidelity

    def _dismiss(self, candidates: Sequence[Proposal]) -> None:
        """Tells the other strategy of candidates that go no further."""
        if candidates and not self._learns:
            self._of.tell([replace(_trial(c, {}, _OUT), error=_OUT) for c in candidates])

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """The other strategy's state, and how far the round is."""
        return {
            "of": self._of.state_dict(),
            "found": [_plain(proposal.genotype, proposal.fidelity) for proposal in self._found],
            "ranked": [_plain(proposal.genotype, proposal.fidelity) for proposal in self._ranked],
            "open": [_plain(proposal.genotype, proposal.fidelity) for proposal in self._open],
            "good": self._good,
            "proposed": [_plain(*key) for key in self._proposed],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._of.load_state_dict(state["of"])
        self._found = [Proposal(*_read(data)) for data in state.get("found", [])]
        self._ranked = [Proposal(*_read(data)) for data in state["ranked"]]
        self._open = [Proposal(*_read(data)) for data in state["open"]]
        self._good = int(state["good"])
        self._proposed = dict.fromkeys(map(_read, state["proposed"]))


def _trial(candidate: Proposal, metrics: Mapping[str, float], infeasible: str | None) -> Trial:
    """A trial that the loop never sees."""
    return Trial(-1, candidate.genotype, candidate.fidelity, metrics, infeasible=infeasible)


def _plain(genotype: Genotype, fidelity: float) -> tuple[dict[str, object], float]:
    return genotype.to_json(), fidelity


def _read(data: tuple[object, float]) -> tuple[Genotype, float]:
    genotype, fidelity = data
    return Genotype.from_json(genotype), float(fidelity)
