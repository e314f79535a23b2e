"""What every strategy keeps to; the YAML folder says which there are."""

import io
import math
from functools import cache

import pytest
import torch
from fixtures import TINY, TINY_SPACE, build, combinations, composed, options
from hydra.utils import get_class

from nascli.core import space as moves
from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Fault
from nascli.core.loop import Search
from nascli.core.traits import Traits, traits_of
from nascli.core.trial import History, Trial
from nascli.workers.serial import Serial

STEPS = 3
SLOW = ("bananas", "gp", "npenas")
FEW = {
    "specialise": (
        "strategy.candidates=4",
        "strategy.keep=2",
    ),
    "screening": (
        "strategy.candidates=4",
        "strategy.keep=2",
        "strategy.by.scores=[synflow]",
        "strategy.by.batch_size=16",
    ),
    "ofa": ("sampler@estimator.sampler=uniform",),  # its own needs elastic sizes
    "robust_darts": ("strategy.answer=best",),  # as published, it is that of an epoch that ended
    "mnasnet": ("scalarisation.metric=macs",),  # nothing is timed here
}


def config(name, seed=0, space="nasbench201"):
    chosen = composed(
        f"strategy={name}",
        f"space={space}",
        f"seed={seed}",
        *TINY,
        *TINY_SPACE[space],
        "data.images=96",  # one step an epoch: those that train are many
        *FEW.get(name, ()),
    )
    chosen.training.epochs = STEPS
    return predicting(chosen)


def predicting(chosen):
    """The same, with a table where a strategy learns from the run of a supernet: there is none."""
    if "${supernet}" in str(chosen.strategy.get("by")):
        chosen.strategy.by = {**composed("estimator=table").estimator, "_partial_": True}
    return chosen


def shares_weights(name):
    return traits_of(get_class(config(name).strategy._target_)).weight_sharing


def parts(name, seed=0):
    return build.search(config(name, seed))


def score(genotype):
    """A stand-in for training: any fixed function of the genotype."""
    return float(sum(map(ord, "".join(genotype.options))) % 97)


def told_of(genotype):
    """The metrics of a trial: some strategies are for a front of two."""
    return {"accuracy": score(genotype), "macs": 1e6}


def ended(proposals, start):
    return [
        Trial(start + n, p.genotype, p.fidelity, told_of(p.genotype))
        for n, p in enumerate(proposals)
    ]


def steps(strategy, count, start=0):
    trials = []
    for _ in range(count):
        proposals = strategy.ask(1)
        told = ended(proposals, start + len(trials))
        strategy.tell(told)
        trials += told
    return trials


@cache
def undisturbed(name):
    """The steps of a search, its state after the first of them, and what it recommends."""
    strategy, state = parts(name).strategy, io.BytesIO()
    assert list(strategy.ask(0)) == []
    trials = steps(strategy, 1)
    torch.save(strategy.state_dict(), state)
    trials += steps(strategy, STEPS - 1, start=1)
    return trials, state.getvalue(), strategy.recommend(History(trials))


@pytest.fixture(params=options("strategy"))
def name(request):
    return request.param


def test_proposals_are_of_the_space_and_within_the_limit(name):
    trials, *_ = undisturbed(name)
    assert len(trials) == STEPS
    space = build.problem(config(name), build.Faults()).space
    for trial in trials:
        assert moves.check(space, trial.genotype) == trial.genotype
        assert 0 < trial.fidelity <= 1


def test_the_seed_decides(name):
    trials, *_ = undisturbed(name)
    assert steps(parts(name).strategy, 1) == trials[:1]  # what follows: see the next test
    if name != "grid":  # draws nothing
        assert differs(parts(name, seed=1).strategy, trials) or differs(
            parts(name, seed=2).strategy, trials
        )


def differs(strategy, trials):
    """Whether it takes another step somewhere."""
    return any(steps(strategy, 1, start=n) != [trial] for n, trial in enumerate(trials))


def test_goes_on_from_its_state(name):
    trials, state, _ = undisturbed(name)
    again = parts(name).strategy
    again.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
    assert steps(again, STEPS - 1, start=1) == trials[1:]


def test_failed_and_infeasible_trials_are_taken(name):
    strategy = parts(name).strategy
    for number in range(2):
        (proposal,) = strategy.ask(1)
        error, broken = (("lost", None), (None, "params"))[number]
        strategy.tell([Trial(number, proposal.genotype, 1.0, infeasible=broken, error=error)])
    assert len(strategy.ask(1)) <= 1
    assert strategy.recommend(History()) is None


def test_recommends_the_best_of_the_history(name):
    trials, _, recommended = undisturbed(name)
    top = max(t.fidelity for t in trials)  # only those compare
    best = max((t for t in trials if t.fidelity == top), key=lambda t: score(t.genotype)).genotype
    assert score(recommended) == score(best)


def test_ends_within_the_loop(name):
    if name != "enas" and shares_weights(name):
        pytest.skip("is run by the loop in reference/test_golden_gradient.py")
    made = parts(name)
    evaluation = Evaluation(made.problem, [Fixed()])
    search = Search(made.strategy, evaluation, Serial(lambda: evaluation), Budget(trials=STEPS))
    genotype = search.run(lambda _trial: None)
    assert 1 <= search.budget.used <= STEPS
    assert genotype is not None
    assert math.isfinite(min(map(made.problem.goal.loss, search.history)))


@pytest.mark.parametrize("operations", ["nor_conv_1x1", "nor_conv_1x1,skip_connect"])
def test_ends_where_there_is_nothing_new(name, operations):
    """In a space of 1 and of 64 genotypes, whatever the budget; those that train end by epochs."""
    if name in SLOW and "skip" in operations:
        pytest.skip("fits a model for every one of 64 trials")
    chosen = config(name)
    if chosen.strategy.get("by", {}).get("dataset"):
        pytest.skip("the table is of another space")
    if shares_weights(name):
        pytest.skip("ends by epochs")
    chosen.space.operations = {key: chosen.space.operations[key] for key in operations.split(",")}
    made = build.search(chosen)
    evaluation = Evaluation(made.problem, [Fixed()])
    budget = Budget(trials=1000, repeats=200)
    search = Search(made.strategy, evaluation, Serial(lambda: evaluation), budget)
    assert search.run(lambda _trial: None) is not None
    told = [(trial.genotype, trial.fidelity) for trial in search.history]
    assert len(told) == len(set(told)) <= search.number <= 64 * 200


class Fixed:
    metrics = ("accuracy", "macs")
    traits = Traits()

    def estimate(self, proposal):
        return told_of(proposal.genotype)


SHARING = [key.partition("=")[2] for key in combinations() if key.startswith("strategy=")]


@cache
def on(space):
    """A problem of the smallest networks of a space, and its config."""
    smallest = ("space.nodes=2",) if space == "cell" else ()
    tiny = (*TINY, *TINY_SPACE[space], *smallest, f"training.epochs={STEPS}")
    chosen = composed("strategy=random", f"space={space}", "data.images=96", *tiny)
    return build.stated(chosen), chosen.space


def combined(strategy, space):
    """The supernet of a search with the strategy on the space."""
    tiny = (*TINY, *TINY_SPACE["nasbench201"], "data.images=96")
    chosen = composed(f"strategy={strategy}", "space=nasbench201", "seed=0", *tiny)
    problem, chosen.space = on(space)
    return build.searching(chosen, problem).supernet


@pytest.mark.parametrize("strategy", SHARING)
def test_what_docs_say_of_a_strategy_on_each_space_is_so(strategy):
    for space, word in combinations()[f"strategy={strategy}"].items():
        if (space, word) == ("nasbench201", "yes"):
            continue  # where all tests above are
        if word == "refused":
            with pytest.raises(Fault, match=f"'{space}'|strategy.(partial|stages|edge)|sampler="):
                combined(strategy, space)
        else:
            assert word == "yes"
            assert combined(strategy, space).choices


def test_docs_speak_of_every_strategy_that_shares_weights():
    for strategy in set(options("strategy")) - {*SHARING, "specialise"}:  # it trains nothing
        chosen = config(strategy)
        for part in (chosen.strategy, chosen.estimator):
            assert not traits_of(get_class(part._target_)).weight_sharing, strategy


@pytest.mark.parametrize("name", ["gdas", "proxyless", "fbnet"])
def test_gradient_strategies_search_mobile_networks(name):
    made = build.search(config(name, space="mobile"))
    (proposal,) = made.strategy.ask(1)
    assert moves.check(made.problem.space, proposal.genotype) == proposal.genotype
