"""The loop, with a toy space, an estimator that adds digits up, and a strategy that has a list."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nascli.core import history_file, loop
from nascli.core import space as moves
from nascli.core.budget import Budget, OutOfTime
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Objective
from nascli.core.loop import Search
from nascli.core.traits import Traits
from nascli.core.trial import History, Open, Proposal, Trial
from nascli.workers.serial import Serial


@dataclass
class Listed:
    """Proposes the genotypes of these numbers."""

    problem: object
    numbers: list
    told: list = field(default_factory=list)

    def ask(self, limit):
        taken, self.numbers = self.numbers[:limit], self.numbers[limit:]
        return [Proposal(moves.at(self.problem.space, n)) for n in taken]

    def tell(self, trials):
        self.told.extend(trials)

    def recommend(self, history):
        best = history.best(self.problem.goal)
        return best.genotype if best else None


@dataclass
class Sum:
    """accuracy = the digits' sum; fails for a genotype that starts with `bad`."""

    bad: str = ""
    metrics: tuple = ("accuracy",)
    traits: Traits = field(default_factory=Traits)
    asked: list = field(default_factory=list)

    def estimate(self, proposal):
        self.asked.append(proposal.genotype)
        if proposal.genotype.options[0] == self.bad:
            raise RuntimeError("no such network")
        return {"accuracy": float(sum(map(int, proposal.genotype.options)))}


class Price:
    metrics = ("params",)
    traits = Traits(by_genotype=True)

    def estimate(self, proposal):
        return {"params": 10.0 * int(proposal.genotype.options[0])}


def search(problem, numbers, estimators, **options):
    strategy = Listed(problem, list(numbers))
    evaluation = Evaluation(problem, estimators)
    budget = options.pop("budget", None) or Budget()
    return Search(strategy, evaluation, Serial(lambda: evaluation), budget, **options)


def test_every_trial_is_told_kept_and_numbered(problem):
    found = search(problem, range(0, 12, 4), [Sum()])
    ended = []
    genotype = found.run(ended.append)
    assert [t.number for t in ended] == [0, 1, 2]
    assert list(found.history) == ended == found.strategy.told
    assert genotype == moves.at(problem.space, 8)
    assert ended[2].metrics == {"accuracy": 2.0}


def test_equivalent_genotypes_are_estimated_once_and_cost_no_budget(problem):
    estimator = Sum()
    # 1 = (0,0,1) and 2 = (0,1,0) have one canonical form
    found = search(problem, [1, 2, 1, 3], [estimator], budget=Budget(trials=2))
    found.run(lambda _: None)
    assert estimator.asked == [moves.at(problem.space, 1), moves.at(problem.space, 3)]
    assert [t.metrics["accuracy"] for t in found.history] == [1.0, 1.0, 1.0, 2.0]
    assert found.budget.used == 2


def test_seconds_include_the_time_to_propose(problem, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])

    class Slow(Listed):
        def ask(self, limit):
            now[0] += 5.0
            return super().ask(limit)

    class Work(Sum):
        def estimate(self, proposal):
            now[0] += 2.0
            return super().estimate(proposal)

    found = search(problem, [1, 3], [Work()])
    found.strategy = Slow(problem, [1, 3])
    found.run(lambda _: None)
    assert [t.seconds for t in found.history] == [7.0, 7.0]


def test_a_table_is_asked_for_every_spelling(problem):
    estimator = Sum(traits=Traits(by_genotype=True))
    found = search(problem, [1, 2, 1], [estimator])
    found.run(lambda _: None)
    assert estimator.asked == [moves.at(problem.space, 1), moves.at(problem.space, 2)]


def test_what_an_equivalent_network_costs_is_looked_at_anew(problem):
    class Length(Price):
        def estimate(self, proposal):
            return {"params": float("".join(proposal.genotype.options))}

    estimator = Sum()
    goal = replace(problem.goal, constraints=(Constraint("params", 5.0),))
    problem = replace(problem, goal=goal)
    found = search(problem, [1, 2], [Length(), estimator])
    found.run(lambda _: None)
    assert [t.metrics.get("params") for t in found.history] == [1.0, 10.0]
    assert found.history[1].infeasible == "params 10 exceeds 5"
    assert len(estimator.asked) == 1


def test_what_the_strategy_knows_stands_in_every_trial_known_or_not(problem):
    class Knowing(Listed):
        def ask(self, limit):
            count = 3 - len(self.numbers)
            return [replace(p, metrics={"entropy": count / 4}) for p in super().ask(limit)]

    for estimators in ([Sum()], [Price(), Sum()]):  # a known trial takes another way in each
        found = search(problem, [1, 2, 2], estimators)
        found.strategy = Knowing(problem, [1, 2, 2])
        found.run(lambda _: None)
        assert [t.metrics["entropy"] for t in found.history] == [0.0, 0.25, 0.5]
        assert len(estimators[-1].asked) == 1
    failing = search(problem, [1, 2, 2], [Sum(bad="0")])
    failing.strategy = Knowing(problem, [1, 2, 2])
    failing.run(lambda _: None)
    assert [t.metrics for t in failing.history if t.error] == [
        {"entropy": 0.0}, {"entropy": 0.25}, {"entropy": 0.5}
    ]  # fmt: skip


def test_a_failure_is_not_tried_again(problem):
    estimator = Sum(bad="0")
    found = search(problem, [1, 2], [estimator])
    found.run(lambda _: None)
    assert len(estimator.asked) == 1
    assert [t.number for t in found.history] == [0, 1]
    assert all(t.error == "RuntimeError: no such network" for t in found.history)


def test_what_changes_under_way_is_estimated_again(problem):
    estimator = Sum(traits=Traits(repeatable=False))
    found = search(problem, [1, 1], [estimator])
    found.run(lambda _: None)
    assert len(estimator.asked) == 2


def test_a_broken_constraint_ends_a_proposal_before_the_expensive_estimator(problem):
    goal = replace(problem.goal, constraints=(Constraint("params", 10.0),))
    problem = replace(problem, goal=goal)
    estimator = Sum()
    found = search(problem, [0, 4, 8], [Price(), estimator], budget=Budget(trials=5))
    genotype = found.run(lambda _: None)
    assert len(estimator.asked) == 2
    last = found.history[2]
    assert last.infeasible == "params 20 exceeds 10"
    assert problem.goal.loss(last) == math.inf
    assert genotype == moves.at(problem.space, 4)
    assert found.budget.used == 2


def test_a_failed_network_is_a_trial_and_the_search_goes_on(problem):
    found = search(problem, [0, 4, 8], [Sum(bad="1")])
    assert found.run(lambda _: None) == moves.at(problem.space, 8)
    assert found.history[1].error == "RuntimeError: no such network"


def test_a_search_in_which_all_fails_ends(problem):
    class Broken(Sum):
        def estimate(self, proposal):
            raise RuntimeError("broken")

    found = search(problem, range(12), [Broken(traits=Traits(repeatable=False))])
    kept = []
    said = "the first 10 trials all failed with the same error: RuntimeError: broken"
    with pytest.raises(Fault, match=said):
        found.run(kept.append)
    assert len(found.history) == len(kept) == 10


def test_failures_at_the_start_of_a_sparse_table_do_not_end_a_search(problem):
    class Sparse(Sum):
        """Rows for the last one alone; every other error has a text of its own."""

        def estimate(self, proposal):
            if proposal.genotype != moves.at(problem.space, 11):
                raise LookupError(f"no row for {proposal.genotype}")
            return {"accuracy": 1.0}

    sparse = Sparse(traits=Traits(by_genotype=True))
    assert search(problem, range(12), [sparse], budget=Budget(failures=1.0)).run(lambda _: None)
    half = search(problem, range(12), [sparse])
    said = "10 trials in a row failed, budget.failures=0.5 of 12: 10 with LookupError: no row for a"
    with pytest.raises(Fault, match=said):
        half.run(lambda _: None)


def test_a_resume_after_failures_gets_one_more_chance(problem):
    class Mended(Sum):
        def estimate(self, proposal):
            return {"accuracy": 1.0}

    lost = [
        Trial(n, moves.at(problem.space, n), 1.0, error="RuntimeError: no", asked=n + 1)
        for n in range(10)
    ]
    for told in (0, 10):
        found = search(problem, range(told, 12), [Mended(traits=Traits(by_genotype=True))])
        found.restore(lost[:told], {}, told)
        found.recorded = {t.number: t for t in lost[told:]}
        assert found.run(lambda _: None) == moves.at(problem.space, 10)


def test_an_objective_that_is_not_a_number_is_a_failure(problem):
    class NaN(Sum):
        def estimate(self, proposal):
            return {"accuracy": math.nan}

    found = search(problem, [0], [NaN()])
    assert found.run(lambda _: None) is None
    assert found.history[0].error == "accuracy is nan"


@pytest.mark.parametrize("known", [0, 1, 3])
@pytest.mark.parametrize("told", [0, 1])
def test_a_resumed_search_takes_the_same_steps(problem, known, told):
    numbers = [5, 5, 2, 9]
    whole = search(problem, numbers, [Sum()])
    whole.run(lambda _: None)
    told = min(told, known)
    estimator = Sum()
    again = search(problem, numbers[told:], [estimator])
    again.restore(whole.history[:told], {}, told)
    again.recorded = {t.number: t for t in whole.history[told:known]}
    again.run(lambda _: None)
    strip = [(t.number, t.genotype, t.metrics) for t in whole.history]
    assert [(t.number, t.genotype, t.metrics) for t in again.history] == strip
    assert again.budget.used == whole.budget.used
    distinct_known = len({t.genotype for t in whole.history[:known]})
    assert len(estimator.asked) == 3 - distinct_known


def test_a_history_of_another_config_is_a_fault(problem):
    other = Trial(0, moves.at(problem.space, 7), 1.0, {"accuracy": 1.0})
    found = search(problem, [0], [Sum()], recorded={0: other})
    with pytest.raises(Fault, match="does not follow from this config: trial 0 is toy"):
        found.run(lambda _: None)


def test_best_prefers_the_highest_fidelity(problem):
    genotype = moves.at(problem.space, 0)
    cheap = Trial(0, genotype, 0.1, {"accuracy": 99.0})
    full = Trial(1, moves.at(problem.space, 1), 1.0, {"accuracy": 50.0})
    tie = Trial(2, moves.at(problem.space, 2), 1.0, {"accuracy": 50.0})
    assert History([cheap, full, tie]).best(problem.goal) is full
    assert History([cheap]).best(problem.goal) is cheap
    assert History().best(problem.goal) is None


def test_incumbents_are_the_improvements(problem):
    values = [3.0, 1.0, 4.0, 4.0, 5.0]
    trials = [
        Trial(n, moves.at(problem.space, n), 1.0, {"accuracy": v}) for n, v in enumerate(values)
    ]
    assert [t.number for t in History(trials).incumbents(problem.goal)] == [0, 2, 4]


def test_trials_survive_json(problem):
    trial = Trial(3, moves.at(problem.space, 2), 0.5, {"accuracy": 1.25}, 0.125, None, "broke")
    assert Trial.from_json(trial.to_json()) == trial
    with pytest.raises(Fault, match="not a trial"):
        Trial.from_json({"number": 1})


class TwoAtOnce:
    """Workers for two proposals that end the later one first."""

    capacity = 2

    def __init__(self, evaluate):
        self.evaluate, self.waiting, self.submitted = evaluate, [], []

    @property
    def busy(self):
        return len(self.waiting)

    def submit(self, number, proposal):
        self.waiting.append((number, proposal))
        self.submitted.append(number)

    def wait(self):
        return [self.evaluate(*self.waiting.pop())]

    def close(self):
        self.waiting.clear()


class Learning(Listed):
    """What it proposes next depends on what it was told, and when."""

    def ask(self, limit):
        taken = []
        for _ in range(limit):
            seed = "".join(str(t.number) for t in self.told) + f"/{len(self.numbers)}"
            self.numbers.append(sum(map(ord, seed)) % 12)
            taken.append(Proposal(moves.at(self.problem.space, self.numbers[-1])))
        return taken


def steps(search):
    return [(t.number, t.genotype) for t in search.history]


def two_at_once(problem, **options):
    evaluation = Evaluation(problem, [Sum(traits=Traits(repeatable=False))])
    strategy = Learning(problem, [])
    return Search(strategy, evaluation, TwoAtOnce(evaluation), Budget(trials=9), **options)


@pytest.mark.parametrize(("known", "workers"), [(0, 2), (1, 2), (4, 2), (8, 2), (9, 1), (9, 5)])
def test_a_search_with_several_workers_resumes_to_the_same_steps(problem, known, workers):
    whole = two_at_once(problem)
    whole.run(lambda _: None)
    assert [t.number for t in whole.history] != sorted(t.number for t in whole.history)
    again = two_at_once(problem, recorded={t.number: t for t in whole.history[:known]})
    again.workers.capacity = workers if known == 9 else 2
    again.run(lambda _: None)
    assert steps(again) == steps(whole)
    assert len(again.workers.submitted) == 9 - known


def test_what_was_under_way_at_a_checkpoint_is_started_again(problem):
    whole = two_at_once(problem)
    kept = {}

    def ended(_trial):
        if len(whole.history) == 4:
            told, numbers = list(whole.strategy.told), list(whole.strategy.numbers)
            kept.update(told=told, numbers=numbers, open=dict(whole.open), number=whole.number)

    whole.run(ended)
    again = two_at_once(problem)
    again.strategy.told, again.strategy.numbers = kept["told"], kept["numbers"]
    again.recorded = {t.number: t for t in whole.history[4:6]}
    again.restore(whole.history[:4], kept["open"], kept["number"])
    again.run(lambda _: None)
    assert steps(again) == steps(whole)


def test_a_front_holds_what_nothing_beats_in_all_objectives(problem):
    both = (Objective("accuracy", "max"), Objective("params", "min"))
    problem = replace(problem, goal=replace(problem.goal, objectives=both))
    pairs = [(90, 5), (80, 3), (85, 6), (80, 4), (95, 9), (80, 3)]
    trials = [
        Trial(n, moves.at(problem.space, n), 1.0, {"accuracy": float(a), "params": float(p)})
        for n, (a, p) in enumerate(pairs)
    ]
    assert [t.number for t in History(trials).front(problem.goal)] == [4, 0, 1]


def test_the_answer_of_a_front_is_beaten_by_none_of_it(problem):
    both = (Objective("accuracy", "max"), Objective("params", "min"))
    problem = replace(problem, goal=replace(problem.goal, objectives=both))
    pairs = [(90, 9), (95, 6), (95, 4), (80, 3), (95, 4)]
    trials = [
        Trial(n, moves.at(problem.space, n), 1.0, {"accuracy": float(a), "params": float(p)})
        for n, (a, p) in enumerate(pairs)
    ]
    best = History(trials).best(problem.goal)
    assert best is not None and best.number == 2


def test_a_resume_does_not_depend_on_the_budget_or_the_clock(problem):
    whole = two_at_once(problem)
    whole.run(lambda _: None)
    again = two_at_once(problem, recorded={t.number: t for t in whole.history})
    again.budget = Budget(trials=12, seconds=1.0)
    again.budget.start(seconds_before=2.0)
    again.run(lambda _: None)
    assert steps(again) == steps(whole)


def test_a_strategy_that_looks_at_the_clock_takes_back_what_is_on_record(problem):
    budget = Budget(seconds=1.0)
    budget.start(seconds_before=2.0)

    class Looking(Listed):
        def ask(self, limit):
            budget.check()
            return super().ask(limit)

    whole = search(problem, [1, 4], [Sum()])
    whole.run(lambda _: None)
    again = search(problem, [], [Sum()], recorded={t.number: t for t in whole.history})
    again.strategy, again.budget = Looking(problem, [1, 4, 5]), budget
    again.run(lambda _: None)
    assert steps(again) == steps(whole)
    assert again.reason == "budget.seconds=1 is used up"
    with pytest.raises(OutOfTime):
        budget.replaying = False
        again.strategy.ask(1)


def test_a_strategy_that_has_a_number_of_trials_is_at_its_end(problem):
    found = search(problem, [1, 4], [Sum()])
    found.run(lambda _: None)
    assert found.reason == "the strategy has no more proposals"
    for own, what in ((3, "proposals"), (2, "trials")):
        found.strategy.traits = Traits(trials=own)
        assert found.reason == f"the strategy has no more {what}"


@pytest.mark.parametrize("known", [1, 2, 4])
def test_a_resumed_history_has_the_very_same_bytes(problem, known):
    class Row:
        metrics = ("accuracy", "params")
        traits = Traits()

        def estimate(self, proposal):
            return {"accuracy": 0.5, "params": 1045466 + int(proposal.genotype["a"])}

    def lines(found):
        return [history_file.line(replace(trial, seconds=0.0)) for trial in found.history]

    whole = search(problem, [1, 2, 1, 4, 5, 4], [Row()])  # with repeats of what is on record
    whole.run(lambda _: None)
    entries = history_file.entries(b"".join(lines(whole)[:known]), Path("history.jsonl"))
    recorded = {entry.trial.number: entry.trial for entry in entries}
    again = search(problem, [1, 2, 1, 4, 5, 4], [Row()], recorded=recorded)
    again.run(lambda _: None)
    assert lines(again) == lines(whole)
    assert b'"params":1045466}' in lines(again)[-1] or b'"params":1045467}' in lines(again)[-1]


def test_a_proposal_under_way_is_kept_as_it_was(problem):
    for fidelity, value in ((1, 3), (0.5, 3.0)):
        waiting = Open(Proposal(moves.at(problem.space, 1), fidelity, {"skips": value}), 0.25)
        kept = json.dumps(waiting.to_json())
        assert json.dumps(Open.from_json(json.loads(kept)).to_json()) == kept


def test_when_the_time_is_over_what_runs_elsewhere_stays_open(problem):
    class Elsewhere(TwoAtOnce):
        asked = ()

        def wait(self, seconds=None):
            self.asked = (*self.asked, seconds)
            return super().wait() if len(self.asked) < 3 else []

    found = two_at_once(problem)
    found.workers = Elsewhere(found.workers.evaluate)
    found.budget = Budget(seconds=1e6)
    with pytest.raises(OutOfTime):
        found.run(lambda _: None)
    assert len(found.history) == 2
    assert sorted(found.open) == sorted({0, 1, 2, 3} - {t.number for t in found.history})
    assert all(0 < seconds <= 1e6 for seconds in found.workers.asked)


@pytest.mark.parametrize("where", ["ask", "estimate"])
def test_what_was_cut_counts_the_seconds_before(problem, monkeypatch, where):
    now, cuts = [0.0], [1]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])

    def works(at, seconds):
        now[0] += seconds
        if at == where and cuts[0]:
            cuts[0] -= 1
            raise OutOfTime

    class Slow(Listed):
        def ask(self, limit):
            works("ask", 5.0 if self.numbers else 0.0)
            return super().ask(limit)

    class Work(Sum):
        def estimate(self, proposal):
            works("estimate", 2.0)
            return super().estimate(proposal)

    found = search(problem, [1], [Work()])
    found.strategy = Slow(problem, [1])
    with pytest.raises(OutOfTime):
        found.run(lambda _: None)
    assert list(found.history) == []
    kept = {number: Open.from_json(waiting.to_json()) for number, waiting in found.open.items()}
    again = search(problem, [], [Work()], asking=found.asking)
    again.strategy = Slow(problem, found.strategy.numbers)
    again.restore([], kept, found.number)
    again.run(lambda _: None)
    assert [t.seconds for t in again.history] == [{"ask": 12.0, "estimate": 9.0}[where]]
