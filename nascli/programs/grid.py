"""The best of several scalings, by training what a genotype grows to under each of them.

Tan & Le, EfficientNet, ICML 2019 (arXiv 1905.11946), section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nascli.core.budget import Budget, OutOfTime
from nascli.core.estimator import Estimator
from nascli.core.evaluation import Evaluation
from nascli.core.failures import kinds, words
from nascli.core.fault import Fault, Stopped
from nascli.core.genotype import Genotype
from nascli.core.goal import Goal
from nascli.core.loop import Search
from nascli.core.problem import Problem
from nascli.core.scaling import Scale, Searching
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial
from nascli.core.words import command
from nascli.programs import images
from nascli.programs.recording import Hire, kept_by, looped
from nascli.programs.threads import computing_with
from nascli.runs.folder import Run


@dataclass(frozen=True)
class Member:
    """One network of a family, and the problem that it is a network of: its images' size.

    Where its space is another one than the base's, `words` choose it on the command line. Where no
    words can, `space` is its YAML file. `settings` are those by which it is another.
    """

    scale: Scale
    problem: Problem
    genotype: Genotype
    words: Sequence[str] = ()
    space: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def network(self) -> object:
        """What members share that are the same network, on images of the same size."""
        return self.genotype, *self.words, self.space, self.problem.task.input_shape


@dataclass(frozen=True)
class Grown:
    """Trains what the genotype of a proposal grows to at the scale that the proposal tells.

    `at` gives genotype, problem and estimators there. A trial keeps the genotype that was proposed,
    so that a history is of one space.
    """

    problem: Problem
    at: Callable[[Scale], tuple[Genotype, Problem, Sequence[Estimator]]]
    on_error: Callable[[int, Exception], None] = lambda _number, _error: None
    estimators: Sequence[Estimator] = ()

    def __call__(self, number: int, proposal: Proposal, known: Trial | None = None) -> Trial:
        """Its costs and its accuracy."""
        del known  # every network is trained
        genotype, problem, chain = self.at(scale_of(proposal.metrics))
        evaluation = Evaluation(replace(problem, goal=self.problem.goal), chain, self.on_error)
        trial = evaluation(number, replace(proposal, genotype=genotype))
        return replace(trial, genotype=proposal.genotype)

    def key(self, genotype: Genotype) -> Genotype | None:
        """None: the genotype is always the same, and the scale another."""
        del genotype
        return None


def scale_of(metrics: Mapping[str, float]) -> Scale:
    """The scale that a proposal or a trial tells."""
    return Scale(metrics["width"], metrics["depth"], round(metrics["resolution"]))


class Candidates:
    """The strategy that proposes a genotype at every scale of a list, and then what follows.

    `then` says what follows from the best of the list, once all of it is known.
    """

    def __init__(
        self,
        goal: Goal,
        genotype: Genotype,
        scales: Sequence[Scale],
        then: Callable[[Scale], Sequence[Scale]],
    ) -> None:
        self.traits = Traits(trials=len(scales), unit="network")
        self._goal, self._genotype, self._then = goal, genotype, then
        self._scales, self._first = list(scales), len(scales)
        self._asked, self._told = 0, list[Trial]()

    def ask(self, limit: int) -> Sequence[Proposal]:
        """The next ones."""
        taken = self._scales[self._asked : self._asked + limit]
        self._asked += len(taken)
        return [Proposal(self._genotype, metrics=asdict(scale)) for scale in taken]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learns what follows once the last of the list is known."""
        for trial in trials:
            self._told.append(trial)
            best = self.best
            if len(self._told) == self._first and best is not None:
                self._scales += self._then(scale_of(best.metrics))
                self.traits = replace(self.traits, trials=len(self._scales))

    @property
    def best(self) -> Trial | None:
        """The best of the list so far; of equal ones that which comes first there."""
        listed = sorted(self._told[: self._first], key=lambda trial: trial.number)
        return History(listed).best(self._goal)

    def recommend(self, history: History) -> Genotype | None:
        """The genotype: a grid looks for nothing else."""
        del history
        return self._genotype if self.best is not None else None

    def state_dict(self) -> dict[str, Any]:
        """How far it has come."""
        return {"asked": self._asked, "told": [trial.to_json() for trial in self._told]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on after `state`."""
        self._told = []
        self.tell([Trial.from_json(data) for data in state["told"]])
        self._asked = int(state["asked"])


@dataclass(frozen=True)
class Grid:
    """All that finds a family: `scaling` has the candidates, `grow` makes a member of a scale."""

    scaling: Searching
    genotype: Genotype
    evaluation: Grown
    grow: Callable[[Scale], Member]
    workers: Hire
    budget: Budget
    threads: int | None


@dataclass(frozen=True)
class Found:
    """What came of a grid: the best candidate, all families, and the trial of each network.

    `candidates` are rows of a table, `ended` says why there are no more.
    """

    chosen: str
    families: Mapping[str, Mapping[str, Member]]
    trials: Mapping[object, Trial]
    candidates: Sequence[Mapping[str, Any]]
    ended: str
    history: Sequence[Trial] = field(default_factory=tuple)


def search(run: Run, grid: Grid) -> Found:
    """Trains the candidates and, of the families of the best, the members that are to be.

    Candidates that round to the same network are trained once.

    Raises:
        Fault: no candidate could be trained, or the folder is of another grid.
    """
    problem, scaling = grid.evaluation.problem, grid.scaling
    side = min(problem.task.input_shape[1:])
    images.record(run, problem, tested=False)
    candidates = {name: grid.grow(scale) for name, scale in scaling.scales(side).items()}
    named: dict[object, str] = {}
    for name, member in candidates.items():
        named.setdefault(member.network, name)
    by_scale = {candidates[name].scale: name for name in named.values()}

    def families(best: Scale) -> dict[str, dict[str, Member]]:
        grown = scaling.families(by_scale[best], side).items()
        return {name: {k: grid.grow(s) for k, s in scales.items()} for name, scales in grown}

    def then(best: Scale) -> list[Scale]:
        wanted = {
            members[name].network: members[name].scale
            for members in families(best).values()
            for name in scaling.trained
        }
        return [scale for network, scale in wanted.items() if network not in named]

    problem.listener.warn(
        f"training {len(named)} networks for {len(candidates)} candidates in {run.path}"
    )
    strategy = Candidates(problem.goal, grid.genotype, list(by_scale), then)
    evaluation = replace(grid.evaluation, on_error=kept_by(run))
    with (
        computing_with(grid.threads, problem),
        closing(grid.workers(evaluation, run.place)) as workers,
    ):
        loop = Search(strategy, evaluation, workers, grid.budget, what="networks")
        ended = ""
        try:
            looped(run, loop)
            ended = loop.reason
        except (OutOfTime, Stopped) as early:
            seconds = f"budget.seconds={grid.budget.seconds} is over"
            ended = f"{early or seconds}; go on with: {command('scale', f'resume={run.path}')}"
            problem.listener.warn(ended)
    best = strategy.best
    if best is None:
        raise Fault(f"no candidate could be trained: {words(kinds(loop.history)) or ended}")
    grown = families(scale_of(best.metrics))
    scales = {m.scale: m.network for ms in grown.values() for m in ms.values()}
    scales |= {member.scale: member.network for member in candidates.values()}
    trials = {scales[scale_of(trial.metrics)]: trial for trial in loop.history}
    chosen = by_scale[scale_of(best.metrics)]
    rows = [_row(name, m, named[m.network], trials) for name, m in candidates.items()]
    return Found(chosen, grown, trials, rows, ended, loop.history)


def _row(
    name: str, member: Member, first: str, trials: Mapping[object, Trial]
) -> Mapping[str, Any]:
    """A candidate, and what is known of its network."""
    trial = trials.get(member.network)
    known = {} if trial is None else trial.metrics
    told = {key: known[key] for key in ("params", "macs", "accuracy") if key in known}
    same = {} if name == first else {"same_network_as": first}
    failed = {"error": trial.error} if trial is not None and trial.error else {}
    return {"candidate": name, **asdict(member.scale), **told, **same, **failed}
