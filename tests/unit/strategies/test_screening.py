import dataclasses
import math
from functools import partial

import pytest
from fixtures import Heard, Looks

from nascli.core.budget import Budget, OutOfTime
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Goal, Objective
from nascli.core.loop import Search
from nascli.core.traits import Traits
from nascli.core.trial import Trial
from nascli.devices.nasbench201_devices import NASBench201Devices
from nascli.strategies.evolution import Evolution
from nascli.strategies.grid import Grid
from nascli.strategies.random import Random
from nascli.strategies.screening import Screening
from nascli.workers.serial import Serial


def number(genotype):
    """The genotype's digits as a number: the toy space has 000 .. 211."""
    return int("".join(genotype.options))


class Digits:
    """Scores a genotype by its digits; counts what it is asked."""

    metrics = ("score", "params")
    meaning = ""
    traits = Traits(objective=Objective("score", "max"))

    def __init__(self, problem, failing=(), nan=()):
        self.asked, self.failing, self.nan = [], failing, nan

    def estimate(self, proposal):
        self.asked.append(proposal)
        score = number(proposal.genotype)
        if score in self.failing:
            raise ArithmeticError("no score")
        return {"score": math.nan if score in self.nan else score, "params": score + 1.0}


class Accuracy:
    metrics = ("accuracy",)
    traits = Traits(by_genotype=True)

    def estimate(self, proposal):
        return {"accuracy": 50.0 + number(proposal.genotype) / 10}


class Spelled:
    """The toy space with no two genotypes alike, so that there are 12 candidates."""

    def __new__(cls, toy):
        class Own(type(toy)):
            def canonical(self, genotype):
                return genotype

        return Own()


@pytest.fixture
def plain(problem, toy):
    return dataclasses.replace(problem, space=Spelled(toy))


def run(problem, strategy, trials=100, estimators=None):
    evaluation = Evaluation(problem, estimators or [Accuracy()])
    search = Search(strategy, evaluation, Serial(lambda: evaluation), Budget(trials=trials))
    search.run(lambda _trial: None)
    return list(search.history)


def numbers(trials):
    return [number(trial.genotype) for trial in trials]


def test_each_round_proposes_its_best_in_the_order_of_their_scores(plain):
    strategy = Screening(plain, Grid, Digits, candidates=6, keep=2)
    # the grid goes 000 001 010 011 100 101 | 110 111 200 201 210 211
    assert numbers(run(plain, strategy)) == [101, 100, 211, 210]


def test_of_equals_the_first_candidate_comes_first(plain):
    class Flat(Digits):
        def estimate(self, proposal):
            return {"score": 1.0, "params": 1.0}

    strategy = Screening(plain, Grid, Flat, candidates=12, keep=3)
    assert numbers(run(plain, strategy, trials=3)) == [0, 1, 10]


def test_what_has_no_score_comes_last(plain):
    by = partial(Digits, failing=(11, 100), nan=(101,))
    strategy = Screening(plain, Grid, by, candidates=6, keep=6)
    assert numbers(run(plain, strategy, trials=6)) == [10, 1, 0, 11, 100, 101]


def test_progress_counts_the_candidates_of_a_round_and_those_without_a_score(plain):
    said = []

    class Heard:
        def progress(self, done, text):
            said.append((done, text))

    heard = dataclasses.replace(plain, listener=Heard())
    Screening(heard, Grid, partial(Digits, failing=(1,)), candidates=3, keep=1).ask(1)
    failed = ", 1 without a score"
    texts = ["screened 1/3 candidates", *(f"screened {n}/3 candidates{failed}" for n in (2, 3))]
    assert said == [(n / 3, text) for n, text in enumerate(texts, 1)]


def test_equivalent_candidates_count_once(problem):
    strategy = Screening(problem, Grid, Digits, candidates=12, keep=12)
    found = run(problem, strategy)
    assert numbers(found) == [211, 201, 200, 111, 101, 100, 11, 1, 0]  # 9 of 12 are different


def test_a_proposal_that_is_infeasible_leaves_its_place_to_the_next(plain):
    narrow = dataclasses.replace(plain, goal=Goal(constraints=(Constraint("cost", 100.0),)))

    class Cost:
        metrics = ("cost",)
        traits = Traits(by_genotype=True)

        def estimate(self, proposal):
            return {"cost": float(number(proposal.genotype))}

    strategy = Screening(narrow, Grid, Digits, candidates=6, keep=2)
    found = run(narrow, strategy, trials=2, estimators=[Cost(), Accuracy()])
    assert numbers(found) == [101, 100, 11]
    assert [trial.infeasible is None for trial in found] == [False, True, True]


def test_costs_that_the_cheap_estimator_knows_rule_candidates_out(plain):
    narrow = dataclasses.replace(plain, goal=Goal(constraints=(Constraint("params", 12.0),)))
    strategy = Screening(narrow, Grid, Digits, candidates=6, keep=2)
    assert numbers([strategy.ask(1)[0], strategy.ask(1)[0]]) == [11, 10]


def test_where_all_are_ruled_out_the_nearest_is_tried_so_that_the_search_goes_on(plain):
    impossible = dataclasses.replace(plain, goal=Goal(constraints=(Constraint("params", 0.5),)))
    strategy = Screening(impossible, Grid, Digits, candidates=6, keep=2)
    trials = []
    while proposals := strategy.ask(1):
        trials += [Trial(len(trials), p.genotype, 1.0, infeasible="params") for p in proposals]
        strategy.tell(trials[-1:])
    assert numbers(trials) == [0, 110]


class Listening(Random):
    """Random search that keeps what it is told."""

    def __init__(self, problem):
        super().__init__(problem)
        self.told, self.asked = [], []

    def ask(self, limit):
        proposals = super().ask(limit)
        self.asked += proposals
        return proposals

    def tell(self, trials):
        self.told += trials


def test_the_other_strategy_is_told_of_every_candidate(plain):
    strategy = Screening(plain, Listening, Digits, candidates=6, keep=2)
    run(plain, strategy, trials=100)
    inner = strategy._of
    assert sorted(numbers(inner.told)) == sorted(numbers(inner.asked))
    good = [trial for trial in inner.told if trial.infeasible is None]
    assert len(good) == 4 and all("accuracy" in trial.metrics for trial in good)
    others = [trial for trial in inner.told if trial.infeasible is not None]
    assert {(trial.infeasible, trial.error) for trial in others} == {("screened out",) * 2}
    assert {plain.goal.rank(trial) for trial in others} == {(math.inf, math.inf)}


def test_a_round_waits_for_its_trials_and_no_more_than_keep_are_under_way(plain):
    strategy = Screening(plain, Grid, Digits, candidates=6, keep=3)
    first = strategy.ask(10)
    assert numbers(first) == [101, 100, 11]
    assert strategy.ask(10) == []
    strategy.tell([Trial(0, first[1].genotype, 1.0, infeasible="params")])
    assert numbers(strategy.ask(10)) == [10]  # in the place of the infeasible one
    assert strategy.ask(10) == []


def test_nothing_is_proposed_twice_and_a_used_up_space_ends_the_search(plain):
    inner = partial(Evolution, population=4, tournament=2)
    strategy = Screening(plain, inner, Digits, candidates=8, keep=3)
    found = run(plain, strategy, trials=1000)
    assert len(set(numbers(found))) == len(found) <= 12


def test_the_cheap_estimator_has_a_fidelity_of_its_own(plain):
    strategy = Screening(plain, Grid, Digits, candidates=3, keep=1, fidelity=0.25)
    assert strategy.ask(1)[0].fidelity == 1.0
    assert {proposal.fidelity for proposal in strategy._by.asked} == {0.25}


@pytest.mark.parametrize("stop", range(1, 6))
def test_resumes_in_the_middle_of_a_round(plain, stop):
    def made():
        return Screening(plain, Random, Digits, candidates=5, keep=3)

    def steps(strategy, count):
        found = []
        for _ in range(count):
            for proposal in strategy.ask(1):
                found.append(proposal)
                accuracy = {"accuracy": float(number(proposal.genotype))}
                strategy.tell([Trial(0, proposal.genotype, 1.0, accuracy)])
        return found

    whole = steps(made(), 7)
    first, second = made(), made()
    before = steps(first, stop)
    second.load_state_dict(first.state_dict())
    assert before + steps(second, 7 - stop) == whole
    waiting = made()
    open_one = waiting.ask(1)
    again = made()
    again.load_state_dict(waiting.state_dict())
    assert again.ask(5) == waiting.ask(5)
    assert open_one[0] not in again.ask(5)


class Cheap:
    """The costs of a genotype: its digits."""

    metrics = ("params", "latency_ms")
    meaning = ""

    def __init__(self, problem):
        self.problem = problem

    def estimate(self, proposal):
        return {"params": float(number(proposal.genotype)), "latency_ms": 1.0}


def test_the_other_strategy_may_search_by_the_cheap_scores(plain):
    told = []
    narrow = dataclasses.replace(
        plain,
        goal=Goal(constraints=(Constraint("params", 110.0),)),
        listener=Heard(warned=told.append),
    )

    class Means(Digits):
        metrics = ("score", "accuracy")
        meaning = "predicted, not measured"

        def estimate(self, proposal):
            return {"score": float(number(proposal.genotype)), "accuracy": 1.0}

    strategy = Screening(narrow, Listening, Means, 8, keep=3, learns=True, costs=Cheap)
    first = strategy.ask(1)
    inner = strategy._of
    assert numbers(inner.told) == numbers(inner.asked) and len(inner.told) == 8
    for trial in inner.told:
        cost = number(trial.genotype)
        assert trial.metrics["score"] == trial.metrics["params"] == cost
        assert (trial.infeasible is not None) == (cost > 110)
    strategy.tell([Trial(0, first[0].genotype, 1.0, {"accuracy": 99.0})])
    assert len(inner.told) == 8  # the score of the cheap one is what it goes by
    found = numbers([*first, *strategy.ask(2)])
    kept = sorted((one for one in numbers(inner.asked) if one <= 110), reverse=True)
    assert found == kept[:3]
    assert told == ["candidates: score predicted, not measured"]


def test_what_breeds_finds_the_best_of_all_that_it_was_told(plain):
    inner = partial(Evolution, population=4, tournament=2)
    strategy = Screening(plain, inner, Rated, candidates=12, keep=2, learns=True)
    found = numbers(strategy.ask(2))
    assert found[0] == 211 and found == sorted(found, reverse=True)


class Rated(Digits):
    metrics = ("score", "accuracy")

    def estimate(self, proposal):
        return {"score": number(proposal.genotype), "accuracy": float(number(proposal.genotype))}


def test_a_device_that_measures_every_network_is_left_to_the_trials(plain):
    timed = dataclasses.replace(plain, device=object())
    strategy = Screening(timed, Random, Rated, candidates=4, keep=1, learns=True, costs=Cheap)
    assert strategy._costs.problem.device is None
    looked = dataclasses.replace(plain, device=NASBench201Devices("pixel3"))
    known = Screening(looked, Random, Digits, candidates=4, keep=1, costs=Cheap)
    assert known._costs.problem.device is looked.device


class Sharing(Digits):
    traits = Traits(weight_sharing=True)


class Nameless(Digits):
    traits = Traits(objective=Objective("accuracy", "max"))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"candidates": 3, "keep": 4}, "keep is 4; it must be from 1 to candidates=3"),
        ({"keep": 0}, "keep is 0"),
        ({"learns": True}, "Digits gives no accuracy, which this search looks at; take estima"),
        ({"fidelity": 0.0}, "strategy.fidelity is 0.0; it must be above 0 and at most 1"),
        ({"by": Sharing}, "Sharing shares weights"),
        ({"by": Nameless}, "Nameless gives no accuracy to rank by"),
    ],
)
def test_settings_that_make_no_sense(problem, settings, says):
    with pytest.raises(Fault, match=says):
        Screening(problem, **{"of": Random, "by": Digits, **settings})


@pytest.mark.parametrize("looks", [1, 3, 6, 7])
def test_the_end_of_the_time_is_seen_between_two_candidates(plain, looks):
    def round_of(strategy):
        return [strategy.ask(1)[0] for _ in range(3)]

    whole = round_of(Screening(plain, Random, Digits, candidates=5, keep=3))
    in_time = dataclasses.replace(plain, budget=Looks(looks))
    cut = Screening(in_time, Random, Digits, candidates=5, keep=3)
    if looks > 5:
        assert round_of(cut) == whole
        return
    with pytest.raises(OutOfTime):
        cut.ask(1)
    assert len(cut._by.asked) == looks
    again = Screening(plain, Random, Digits, candidates=5, keep=3)
    again.load_state_dict(cut.state_dict())
    assert round_of(again) == whole
