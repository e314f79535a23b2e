"""Prices under bounds: closed forms, a second way to the weight, and the optimum they lead to."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from fixtures import TINY, TINY_SPACE, Heard, ToyTask, build, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault
from nascli.core.goal import Constraint, Goal
from nascli.core.problem import Problem
from nascli.core.space import at, size
from nascli.core.supernet import unpriced
from nascli.core.trial import History, Trial
from nascli.costs.plans import PlanCounter
from nascli.costs.within import Within
from nascli.gradient.discretisations.skip_limit import SkipLimit
from nascli.gradient.penalties.budget import Budget
from nascli.gradient.readout import over
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
    counter = PlanCounter(made.space)
    largest = relaxation.logits().detach()[:, 1:].argmax(1).tolist()  # `none` comes first
    for metric in ("macs", "params"):
        fixed, options = alone(made, metric)
        expected = (chances(relaxation) * options[:, 1:]).sum()
        assert told[f"expected_{metric}"] == pytest.approx(fixed + float(expected), rel=1e-5)
        preferred = replace(
            at(made.space, 0),
            options=tuple(
                made.space.decisions[e][1 + n] for e, n in zip(EDGES, largest, strict=True)
            ),
        )
        cost = getattr(counter(preferred), metric)
        assert told[f"preferred_{metric}"] == pytest.approx(cost, rel=1e-6)
        assert told[f"pressure_{metric}"] == 0


EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")


def alone(made, metric):
    """What a cell of `none` costs, and (edges, options): what each option adds to it by itself."""
    counter = PlanCounter(made.space)

    def of(*options):
        return getattr(counter(replace(at(made.space, 0), options=options)), metric)

    fixed = of(*["none"] * 6)
    rows = [
        [
            of(*["none"] * edge, option, *["none"] * (5 - edge)) - fixed
            for option in made.space.decisions[name]
        ]
        for edge, name in enumerate(EDGES)
    ]
    return fixed, torch.tensor(rows, dtype=torch.float64)


def test_the_weight_is_the_least_that_prefers_a_network_within_the_bound():
    """A second way to it: every w at which some edge changes its preferred option, one by one."""
    for seed, share in ((0, 0.2), (1, 0.5), (2, 0.8)):
        made = problem()
        fixed, options = alone(made, "macs")
        relaxation = Softmax(made.space.supernet(), seed=seed, scale=1.0)
        alpha = relaxation.logits().detach().double()[:, 1:]
        cost = options[:, 1:]
        free = fixed + float(cost[range(6), alpha.argmax(1)].sum())
        bound = fixed + share * (free - fixed)
        changes = {0.0}
        for a, c in zip(alpha, cost / bound, strict=True):
            changes |= {
                float((a[i] - a[j]) / (c[i] - c[j]))
                for i in range(4)
                for j in range(4)
                if c[i] > c[j] and a[i] > a[j]
            }

        def costs(w, alpha=alpha, cost=cost, bound=bound, fixed=fixed):
            return fixed + float(cost[range(6), (alpha - w * cost / bound).argmax(1)].sum())

        least = min(w for w in changes if costs(w + 1e-9) <= bound)
        budget = Budget(problem(macs=bound))
        budget.lead(relaxation)
        assert budget.weights["macs"] == pytest.approx(least, rel=2e-3)
        prices = torch.cat([torch.zeros(6, 1), budget.weights["macs"] * cost / bound], dim=1)
        assert torch.allclose(relaxation.prices.double(), prices.double(), atol=1e-6)
        told = budget.readout(relaxation)
        assert told["preferred_macs"] == pytest.approx(costs(least + 1e-6), rel=1e-6)
        assert told["preferred_macs"] <= bound * (1 + 1e-6)


class Sum:
    """A cost of (choices, options) that adds up, with nothing fixed."""

    def __init__(self, costs):
        self.slopes = lambda weights, edges: costs
        self.expected = lambda weights, edges: (weights * costs).sum()
        self.without_none = lambda logits: logits.softmax(dim=1)


def test_of_several_weights_all_keep_and_few_are_larger_than_they_must_be():
    draws, tried, minimal = torch.Generator().manual_seed(0), 0, 0
    made = problem(macs=1.0, params=1.0)
    for seed in range(20):
        relaxation = Softmax(made.space.supernet(), seed=seed, scale=1.0)
        one = torch.rand(6, 5, generator=draws)
        costs = {"macs": one, "params": one + 0.5 * torch.rand(6, 5, generator=draws)}
        chosen = relaxation.logits().detach().argmax(1)
        bounds = {name: 0.6 * float(c[range(6), chosen].sum()) for name, c in costs.items()}
        if any(float(c.amin(1).sum()) > 0.9 * bounds[name] for name, c in costs.items()):
            continue
        tried += 1
        budget = Budget(made)
        budget._costs = {name: (Sum(costs[name]), bound) for name, bound in bounds.items()}
        budget.lead(relaxation)
        told = budget.readout(relaxation)
        assert all(told[f"preferred_{name}"] <= bound + 1e-5 for name, bound in bounds.items())
        for name, weight in budget.weights.items():
            less = {**budget.weights, name: 0.8 * weight}
            relaxation.prices = sum(less[one] * costs[one] / bounds[one] for one in bounds)
            kept = budget.readout(relaxation)[f"preferred_{name}"] <= bounds[name]
            minimal += not weight or not kept
    assert tried >= 10
    assert minimal > 1.6 * tried


def test_of_costs_that_pull_apart_most_bounds_are_kept():
    draws, kept = torch.Generator().manual_seed(0), 0
    made = problem(macs=1.0, params=1.0)
    for seed in range(40):
        relaxation = Softmax(made.space.supernet(), seed=seed, scale=1.0)
        costs = {name: torch.rand(6, 5, generator=draws) for name in ("macs", "params")}
        cheap = sum(costs.values()).argmin(1)  # keeps both
        bounds = {name: 1.5 * float(c[range(6), cheap].sum()) for name, c in costs.items()}
        budget = Budget(made)
        budget._costs = {name: (Sum(costs[name]), bound) for name, bound in bounds.items()}
        budget.lead(relaxation)
        told = budget.readout(relaxation)
        kept += all(told[f"preferred_{name}"] <= bound + 1e-5 for name, bound in bounds.items())
    assert kept >= 35


def test_what_is_priced_shows_in_all_that_the_relaxation_gives_but_not_in_its_worth():
    loose = problem(macs=1e9)
    relaxation = Softmax(loose.space.supernet(), seed=0, scale=1.0)
    made = problem(macs=0.7 * Budget(loose).readout(relaxation)["preferred_macs"])
    (alpha,) = relaxation.parameters()
    before = alpha.detach().clone()
    plain = relaxation.expected().weights
    budget = Budget(made)
    budget.lead(relaxation)
    assert budget.weights["macs"] > 0
    assert torch.equal(alpha, before)
    priced = (before - relaxation.prices).softmax(dim=1)
    assert torch.equal(relaxation.expected().weights, priced)
    assert torch.equal(relaxation.mixtures(0.0)[0].weights, priced)
    assert not torch.allclose(plain, priced, atol=1e-2)
    assert torch.equal(unpriced(relaxation).weights, plain)
    assert torch.equal(relaxation.expected().weights, priced)  # and is priced as before
    again = Softmax(made.space.supernet(), seed=7)
    again.load_state_dict(relaxation.state_dict())
    assert torch.equal(again.expected().weights, priced)


def test_a_bound_that_alphas_keep_charges_nothing_and_the_loss_stays_as_it_is():
    made = problem(macs=1e9)
    relaxation = Softmax(made.space.supernet(), seed=0)
    budget = Budget(made)
    budget.lead(relaxation)
    assert budget.weights == {"macs": 0.0}
    assert not relaxation.prices.any()
    loss, (mixture,) = torch.tensor(2.0), relaxation.mixtures(0.0)
    assert budget(loss, mixture, relaxation, 0.0) is loss


def test_below_what_can_be_preferred_the_cheapest_is_and_a_warning_says_so():
    made = problem()
    least = PlanCounter(made.space)(replace(at(made.space, 0), options=("skip_connect",) * 6)).macs
    relaxation = Softmax(made.space.supernet(), seed=0, scale=1.0)
    goal = Goal(constraints=(Constraint("macs", 0.9 * least),))
    budget = Budget(replace(made, goal=goal))
    budget.lead(relaxation)
    told = budget.readout(relaxation)
    assert least <= told["preferred_macs"] <= 1.05 * least
    assert 0 < budget.weights["macs"] < 1e3  # and no more than it takes
    (warning,) = over(told, goal)
    assert f"has macs {told['preferred_macs']:.4g}, and the bound is {0.9 * least:.4g}" in warning
    assert over({**told, "preferred_macs": 0.9 * least}, goal) == []


def test_a_relaxation_without_prices_is_searched_all_the_same():
    said = []
    made = replace(problem(macs=1e5), listener=Heard(warned=said.append))
    inner = Softmax(made.space.supernet(), seed=0)

    class Own:
        logits, expected = inner.logits, inner.expected

    budget = Budget(made)
    budget.lead(Own())
    budget.lead(Own())
    assert len(said) == 1 and "its relaxation has no `prices`" in said[0]
    assert budget.readout(Own()) == {}
    assert unpriced(Own()).weights.equal(inner.expected().weights)


@pytest.mark.parametrize(("share", "several"), [(0.25, False), (0.5, True)])
def test_prices_lead_to_the_best_genotype_that_keeps_the_bounds(share, several):
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
    within = Within(made)
    for _ in range(300):
        (mixture,) = relaxation.mixtures(0.0)
        loss = -(mixture.weights * worth).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        budget.lead(relaxation)
        told = budget.readout(relaxation)
        trail.append({m: told[f"preferred_{m}"] / bound for m, bound in bounds.items()})
    for metric in bounds:  # every step's preferred network keeps the bounds
        assert max(step[metric] for step in trail) <= 1 + 1e-6
    assert max(trail[-1].values()) > 0.6  # and makes use of one of them
    preferred = made.space.derive(relaxation.expected().strengths.tolist())
    rows = dict(zip(edges, unpriced(relaxation).strengths.tolist(), strict=True))
    derived = within.strongest(rows, preferred)
    better = sum(value(genotype) > value(derived) + 1e-6 for genotype in kept)
    assert better <= 0.01 * len(kept)
    assert all(getattr(costs[derived], m) <= bound for m, bound in bounds.items())


def test_without_bounds_that_add_up_nothing_is_added():
    for bounds in ({}, {"peak_memory_mb": 1e-3}):
        budget = Budget(problem(**bounds))
        relaxation = Softmax(problem().space.supernet(), seed=0)
        (mixture,) = relaxation.mixtures(0.0)
        loss = torch.tensor(2.0)
        budget.lead(relaxation)
        assert relaxation.prices is None
        assert budget(loss, mixture, relaxation, 0.0) is loss
        assert budget.readout(relaxation) == {} == budget.state_dict()


def test_a_space_whose_costs_do_not_add_up_is_searched_all_the_same():
    said = []
    made = problem(macs=1e5)
    whole = replace(made, listener=Heard(warned=said.append))
    whole.space.plan = lambda genotype=None: (_ for _ in ()).throw(Fault("no open plan"))
    assert Budget(whole).state_dict() == {}
    assert "the search is not led below a bound: space 'nasbench201' has no open plan" in said[0]


def test_a_search_leads_derives_and_says_what_it_expects_and_goes_on_from_there():
    words = ["strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]]
    words += ["data.images=96", "training.epochs=2", "+constraints.params=6000"]
    first = build.search(composed(*words))
    (proposal,) = first.strategy.ask(1)
    counter = PlanCounter(first.problem.space)
    assert counter(proposal.genotype).params <= 6000
    told = proposal.metrics
    assert told["preferred_params"] <= 6000 < told["expected_params"]
    assert told["pressure_params"] > 0
    state = copy.deepcopy(first.strategy.state_dict())
    again = build.search(composed(*words))
    again.strategy.load_state_dict(state)
    assert again.strategy.ask(1) == first.strategy.ask(1)
    assert state["bilevel"]["penalties"] == [{"params": pytest.approx(told["pressure_params"])}]


@pytest.mark.parametrize("strategy", ["darts", "darts_pt"])
def test_a_search_is_led_from_the_first_step_and_derives_by_what_options_are_worth(
    strategy, monkeypatch
):
    words = [f"strategy={strategy}", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]]
    words += ["data.images=96", "training.epochs=2", "+constraints.params=6000"]
    made = build.search(composed(*words)).strategy
    trained = made._training()
    assert trained.relaxation.prices.any()  # before anything is trained
    seen, derive = [], type(trained).derive
    monkeypatch.setattr(
        type(trained), "derive", lambda self, rows: seen.append(rows) or derive(self, rows)
    )
    made.ask(1)  # darts_pt has its own way with the last epoch only
    assert any(torch.equal(rows, unpriced(trained.relaxation).strengths) for rows in seen)
    assert not torch.allclose(seen[-1], trained.relaxation.expected().strengths)


def test_skips_are_limited_by_what_options_are_worth():
    supernet = problem().space.supernet()
    relaxation = Softmax(supernet, seed=0, scale=1.0)
    plain = relaxation.expected().strengths
    relaxation.prices = 5 * torch.rand(6, 5, generator=torch.Generator().manual_seed(0))
    trained = SimpleNamespace(relaxation=relaxation, supernet=supernet, derive=supernet.derive)
    assert SkipLimit(problem(), most=9)(trained) == supernet.derive(plain)
    assert supernet.derive(plain) != supernet.derive(relaxation.expected().strengths)


def test_the_answer_is_of_an_epoch_that_kept_to_the_bound_if_there_is_one():
    words = ["strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]]
    made = build.search(composed(*words, "+constraints.params=6000"))
    genotypes = [at(made.problem.space, number) for number in range(3)]
    trials = [
        Trial(number, genotype, 1.0, {"accuracy": accuracy, "preferred_params": preferred}, 1.0)
        for number, (genotype, accuracy, preferred) in enumerate(
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
