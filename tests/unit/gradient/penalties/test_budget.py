"""The pressure below a bound: closed forms, finite differences, and the optimum it leads to."""

import copy
from dataclasses import replace

import pytest
import torch
from fixtures import TINY, TINY_SPACE, Heard, ToyTask, build, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Goal
from nascli.core.problem import Problem
from nascli.core.space import at, size
from nascli.core.trial import History, Trial
from nascli.costs.plans import PlanCounter
from nascli.gradient.penalties.budget import Budget
from nascli.relaxations.softmax import Softmax


def problem(rate=0.05, **bounds):
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    task = ToyTask(input_shape=(3, 8, 8))
    goal = Goal(constraints=tuple(Constraint(name, bound) for name, bound in bounds.items()))
    space = make(task, channels=4, cells_per_stage=1)
    recipe = build.component(composed("training=quick"), "training")
    recipe = replace(recipe, architecture={**recipe.architecture, "learning_rate": rate})
    return Problem(space=space, task=task, recipe=recipe, goal=goal)


def chances(relaxation):
    """By hand: the softmax over all options but the first, which is `none`."""
    powers = relaxation.logits().detach().double()[:, 1:].exp()
    return powers / powers.sum(1, keepdim=True)


def test_the_expected_cost_is_the_sum_of_chances_times_costs_and_the_fixed_part():
    made = problem(macs=1e5, params=5e3)
    relaxation = Softmax(made.space.supernet(), seed=0, scale=1.0)
    told = Budget(made).readout(relaxation)
    counter, edges = PlanCounter(made.space), tuple(made.space.decisions)
    choose = lambda *options: counter(replace(at(made.space, 0), options=options))  # noqa: E731
    for metric in ("macs", "params"):
        fixed = getattr(choose(*["none"] * 6), metric)
        total = float(fixed)
        for edge, row in enumerate(chances(relaxation).tolist()):
            for option, chance in zip(made.space.decisions[edges[edge]][1:], row, strict=True):
                alone = ["none"] * 6
                alone[edge] = option
                total += chance * (getattr(choose(*alone), metric) - fixed)
        assert told[f"expected_{metric}"] == pytest.approx(total, rel=1e-5)
        assert told[f"pressure_{metric}"] == 0


def test_the_slope_by_alpha_is_that_of_finite_differences():
    made = problem(macs=1e5)
    relaxation = Softmax(made.space.supernet(), seed=0, scale=1.0)
    (alpha,) = relaxation.parameters()
    (mixture,) = relaxation.mixtures(0.0)
    loss = torch.zeros(())

    def added():
        budget = Budget(made, damping=0.0)
        budget.weights["macs"] = torch.tensor(0.7)
        return budget(loss, mixture, relaxation, 0.0)

    (found,) = torch.autograd.grad(added(), [alpha])
    for edge, option in ((0, 0), (0, 3), (2, 1), (5, 4)):
        value, step = float(alpha[edge, option].detach()), 1e-2
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                alpha[edge, option] = value + sign * step
            ends.append(float(added().detach()))
        with torch.no_grad():
            alpha[edge, option] = value
        slope = (ends[0] - ends[1]) / (2 * step)
        assert float(found[edge, option]) == pytest.approx(slope, rel=1e-2, abs=1e-5)


def test_the_weight_ascends_by_the_excess_and_never_below_zero():
    made = problem(rate=0.1, macs=1e5)
    relaxation = Softmax(made.space.supernet(), seed=0)
    (mixture,) = relaxation.mixtures(0.0)
    over = Budget(made).readout(relaxation)["expected_macs"] / 1e5 - 1
    budget = Budget(made, rate=3.0, damping=0.5)
    loss = budget(torch.tensor(2.0), mixture, relaxation, 0.0)
    assert float(loss.detach()) == pytest.approx(2.0 + max(0.0, 0.5 * over) * over, rel=1e-5)
    assert float(budget.weights["macs"]) == pytest.approx(max(0.0, 0.3 * over), rel=1e-5)
    cheap = Budget(problem(macs=1e9))
    assert float(cheap(torch.tensor(2.0), mixture, relaxation, 0.0).detach()) == 2.0
    assert float(cheap.weights["macs"]) == 0
    cheap.weights["macs"] = torch.tensor(10.0)
    cheap(torch.tensor(2.0), mixture, relaxation, 0.0)
    assert 9 < float(cheap.weights["macs"]) < 10  # it falls again


@pytest.mark.parametrize(("share", "several"), [(0.25, False), (0.5, True)])
def test_dual_ascent_ends_at_the_best_genotype_that_keeps_the_bounds(share, several):
    """A loss that is a sum over edges; its constrained optimum is found by looking at all cells."""
    made = problem()
    counter = PlanCounter(made.space)
    edges = made.space.decisions
    worth = torch.rand(6, 5, generator=torch.Generator().manual_seed(1)) + torch.tensor(
        [0.0, 0.2, 0.6, 1.0, 0.2]  # what is expensive is good
    )
    every = [
        g for g in (at(made.space, n) for n in range(size(made.space))) if "none" not in g.options
    ]
    costs = {g: counter(g) for g in every}
    least, most = min(c.macs for c in costs.values()), max(c.macs for c in costs.values())
    bounds = {"macs": least + share * (most - least)}
    if several:
        bounds["params"] = sorted(c.params for c in costs.values())[len(costs) // 4]

    def value(genotype):
        digits = [edges[d].index(o) for d, o in genotype.choices.items()]
        return float(worth[range(6), digits].sum())

    kept = [g for g in every if all(getattr(costs[g], m) <= b for m, b in bounds.items())]
    best = max(map(value, kept))
    unbound = max(map(value, every))
    assert best < unbound - 0.3  # the bounds cost something

    made = problem(rate=0.05, **bounds)
    relaxation = Softmax(made.space.supernet(), seed=0)
    (alpha,) = relaxation.parameters()
    budget = Budget(made)
    adam = torch.optim.Adam([alpha], lr=0.05, betas=(0.5, 0.999))
    trail = []
    for _ in range(1500):
        (mixture,) = relaxation.mixtures(0.0)
        loss = budget(-(mixture.weights * worth).sum(), mixture, relaxation, 0.0)
        adam.zero_grad()
        loss.backward()
        adam.step()
        told = budget.readout(relaxation)
        trail.append({m: told[f"expected_{m}"] / bound for m, bound in bounds.items()})
    for metric in bounds:  # the bound is met, and one of them is made use of
        assert max(step[metric] for step in trail[-100:]) < 1.03
    assert max(trail[-1].values()) > 0.93
    # mixtures may stand between two cells, so they reach what the best cell that keeps all has
    reached = float((chances(relaxation) * worth[:, 1:]).sum())
    assert best - 0.05 <= reached <= unbound - 0.2
    derived = made.space.derive(relaxation.expected().strengths.tolist())
    assert all(getattr(costs[derived], m) <= 1.15 * bound for m, bound in bounds.items())


def test_without_bounds_that_add_up_nothing_is_added():
    for bounds in ({}, {"peak_memory_mb": 1e-3}):
        budget = Budget(problem(**bounds))
        relaxation = Softmax(problem().space.supernet(), seed=0)
        (mixture,) = relaxation.mixtures(0.0)
        loss = torch.tensor(2.0)
        assert budget(loss, mixture, relaxation, 0.0) is loss
        assert budget.readout(relaxation) == {} == budget.state_dict()


def test_a_space_whose_costs_do_not_add_up_is_searched_all_the_same():
    said = []
    made = problem(macs=1e5)
    whole = replace(made, listener=Heard(warned=said.append))
    whole.space.plan = lambda genotype=None: (_ for _ in ()).throw(Fault("no open plan"))
    assert Budget(whole).state_dict() == {}
    assert "the search is not led below a bound: space 'nasbench201' has no open plan" in said[0]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rate": 0}, "budget.rate is 0; it must be above 0"),
        ({"damping": -1}, "budget.damping is -1"),
    ],
)
def test_values_that_make_no_sense_are_faults(settings, says):
    with pytest.raises(Fault, match=says):
        Budget(problem(), **settings)


def test_a_search_leads_derives_and_says_what_it_expects_and_goes_on_from_there():
    words = ["strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]]
    words += ["data.images=96", "training.epochs=2", "+constraints.params=6000"]
    first = build.search(composed(*words))
    (proposal,) = first.strategy.ask(1)
    counter = PlanCounter(first.problem.space)
    assert counter(proposal.genotype).params <= 6000
    told = proposal.metrics
    assert told["expected_params"] > 6000 and told["pressure_params"] > 0
    state = copy.deepcopy(first.strategy.state_dict())
    again = build.search(composed(*words))
    again.strategy.load_state_dict(state)
    assert again.strategy.ask(1) == first.strategy.ask(1)
    assert state["bilevel"]["penalties"] == [{"params": pytest.approx(told["pressure_params"])}]


def test_the_answer_is_of_an_epoch_that_kept_to_the_bound_if_there_is_one():
    words = ["strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]]
    made = build.search(composed(*words, "+constraints.params=6000"))
    genotypes = [at(made.problem.space, number) for number in range(3)]
    trials = [
        Trial(number, genotype, 1.0, {"accuracy": accuracy, "expected_params": expected}, 1.0)
        for number, (genotype, accuracy, expected) in enumerate(
            zip(genotypes, (90.0, 70.0, 80.0), (9000.0, 6100.0, 5000.0), strict=True)
        )
    ]
    answers = [made.strategy.recommend(History(trials[:n])) for n in (1, 3)]
    assert answers == [genotypes[0], genotypes[2]]


@pytest.mark.parametrize(
    ("strategy", "part"),
    [("fbnet", "Gumbel"), ("proxyless_latency", "BinaryGates"), ("mnasnet", "MnasNet")],
)
def test_the_published_searches_for_latency_look_at_it(strategy, part):
    made = composed(f"strategy={strategy}", "device=cpu")
    assert part in str(made)
    assert "ExpectedCost" in str(made) or made.scalarisation.metric == "latency_ms"
