"""Models of latency against devices whose truth is a formula."""

import functools
import math
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from fixtures import CHECKOUT, ToyTask, composed
from hydra.utils import instantiate

from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.core.plan import IMAGES, Layer, Place, Plan
from nascli.core.space import sample
from nascli.costs import latency_choice as choice
from nascli.costs.latency_models import Example, Learnt, LeastSquares, Sum, least_squares
from nascli.costs.layer_counts import counts_of
from nascli.costs.plans import PlanCounter


@pytest.fixture(scope="module")
def space():
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    return make(ToyTask(input_shape=(3, 16, 16)), channels=4, cells_per_stage=1)


@pytest.fixture(scope="module")
def cost(space):
    return PlanCounter(space).layer


def joint(layer):
    return layer.operation.startswith("(")


def example(space, genotype, truth):
    counts = counts_of(space.plan(genotype))
    return Example(genotype, counts, truth(genotype, counts))


def examples(space, number, truth, seed=0):
    rng = random.Random(seed)
    return [example(space, sample(space, rng), truth) for _ in range(number)]


@pytest.fixture(scope="module")
def table(space):
    """Rows that no formula of costs gives: drawn."""
    rng = random.Random(5)
    times = {layer: 0.1 + rng.random() for layer in space.plan().candidates()}
    return {layer: Latency(ms, ms / 2, 2 * ms, 9) for layer, ms in times.items()}


def summed(table, factor=1.0, constant=0.0):
    def truth(_genotype, counts):
        times = [n * table[layer].ms for layer, n in counts.items() if not joint(layer)]
        return constant + factor * math.fsum(times)

    return truth


def worst(model, known, others):
    fitted = model.fit(known)
    return max(abs(fitted(e.genotype, e.counts) / e.ms - 1) for e in others)


def test_counts_layers_additions_and_concatenations():
    one, two = Layer("a", 3, 4, 1, 6, 8), Layer("b", 4, 4, 2, 6, 8)
    half, whole = (4, 3, 4), (4, 6, 8)
    places = [
        Place("layer", "x", (IMAGES,), whole, one),
        Place("layer", "y", ("x",), half, two),
        Place("layer", "z", ("x",), half, two),
        Place("add", "s", ("y", "z"), half),
        Place("add", "alone", ("s",), half),
        Place("add", "zeros", (), half),
        Place("concatenate", "c", ("s", "alone"), (8, 3, 4)),
        Place("layer", "head", ("c",), (8, 3, 4), Layer("a", 8, 8, 1, 3, 4)),
    ]
    dead = Place("layer", "dead", ("x",), half, two)
    same = Layer("a", 4, 8, 1, 3, 4)
    constant = Place("layer", "constant", ("zeros",), (8, 3, 4), same)
    last = Place("add", "last", ("c", "constant"), (8, 3, 4))
    plan = Plan((3, 6, 8), (*places, dead, constant, last), "last", auxiliary="head")
    both = [counts_of(plan, pruned=pruned) for pruned in (False, True)]
    zeros = Layer("(add)", 4, 4, 1, 3, 4)
    assert both[0] - both[1] == Counter({two: 1, same: 1, zeros: 1})
    plan = Plan((3, 6, 8), tuple(places), "c", auxiliary="head")
    assert counts_of(plan) == Counter({
        one: 1, two: 2, Layer("(add)", 8, 4, 1, 3, 4): 1, Layer("(add)", 4, 4, 1, 3, 4): 1,
        Layer("(concatenate)", 8, 8, 1, 3, 4): 1,
    })  # fmt: skip


def test_a_sum_is_the_sum_and_calibrated_it_finds_factor_and_constant(space, table):
    known, others = (examples(space, 12, summed(table), seed) for seed in (1, 2))
    assert worst(Sum(table, calibrated=False), known, others) < 1e-12
    truth = summed(table, 0.7, 0.4)
    known, others = (examples(space, 12, truth, seed) for seed in (1, 2))
    assert worst(Sum(table, calibrated=False), known, others) > 0.1
    assert worst(Sum(table, calibrated=True), known, others) < 1e-3
    fitted = Sum(table, calibrated=True).fit(known)
    assert fitted.constant == pytest.approx(0.4, rel=0.01)


def test_least_squares_solve_what_a_second_implementation_solves(space):
    """With a ridge so strong that no weight is held at 0, a linear system says the same."""
    rng = np.random.default_rng(0)
    known = examples(space, 20, lambda *_: float(rng.uniform(1, 3)))
    rows = [{"a": float(rng.uniform(1, 5)), "b": float(rng.uniform(1, 50))} for _ in known]
    prior, strength = {"a": 0.3, "b": 0.02}, 10.0
    found = least_squares(rows, known, prior, strength)
    shares = np.array([[row["a"], row["b"]] for row in rows]) / [[e.ms] for e in known]
    gram = shares.T @ shares / 20
    ridge = strength * np.diag(np.diag(gram))
    aim = shares.mean(0) + ridge @ [0.3, 0.02]
    assert list(found.values()) == pytest.approx(np.linalg.solve(gram + ridge, aim), rel=1e-9)


def test_no_weight_is_negative(space):
    known = examples(space, 10, lambda *_: 1.0)
    rows = [{"a": 1.0 + 0.1 * n, "b": 2.0 - 0.1 * n} for n in range(10)]
    known = [Example(e.genotype, e.counts, 3 - 0.5 * n / 2) for n, e in enumerate(known)]
    found = least_squares(rows, known, {}, 1e-9)
    assert min(found.values()) == 0 and max(found.values()) > 0


def test_least_squares_learn_what_every_kind_of_layer_takes(space, cost, table):
    truth = summed(table, 1.0, 0.2)  # without the table
    known, others = (examples(space, n, truth, seed) for n, seed in ((36, 1), (50, 2)))
    assert worst(LeastSquares(cost, 0.001), known, others) < 0.02
    # with a table whose rows are off by a factor of their own for every operation
    rng, factors = random.Random(3), {}
    for layer in table:
        factors.setdefault(layer.operation, rng.uniform(0.5, 2))
    off = {
        n: Latency(t.ms * factors[n.operation], 0, 9e9, 9) for n, t in table.items()
    }  # fmt: skip
    assert worst(Sum(off, calibrated=True), known, others) > 0.1
    assert worst(LeastSquares(cost, 0.01, off), known[:14], others) < 0.02


def test_kinds_of_layers_that_were_not_seen_have_what_their_operation_takes(space, cost):
    def truth(_genotype, counts):
        layers = [(n, cost(layer)) for layer, n in counts.items() if not joint(layer)]
        return 0.1 + sum(n * (0.05 + 1e-5 * each.macs) for n, each in layers)

    fitted = LeastSquares(cost, 0.001).fit(examples(space, 30, truth))
    unseen = Layer("nor_conv_3x3", 16, 16, 1, 5, 5)
    took = fitted(None, Counter({unseen: 2})) - fitted.constant
    expected = 2 * (0.05 + 1e-5 * cost(unseen).macs)
    assert took == pytest.approx(expected, rel=0.25)


def test_a_surrogate_corrects_what_does_not_add_up(space, cost, table):
    """Whatever the last edge is, networks whose first edge is a pool take half as long again."""
    plain = summed(table)

    def truth(genotype, counts):
        pool = genotype.options[0] == "avg_pool_3x3"
        return plain(genotype, counts) * (1.5 if pool else 1.0)

    class Knows:
        def fit(self, genotypes, values):
            self.seen = {g.options[0]: v for g, v in zip(genotypes, values, strict=True)}

        def predict(self, genotypes, pending=()):
            values = np.array([self.seen[g.options[0]] for g in genotypes])
            return values, np.zeros(len(values))

    base = Sum(table, calibrated=False)
    known, others = (examples(space, 40, truth, seed) for seed in (1, 2))
    assert worst(base, known, others) > 0.3
    assert worst(Learnt(base, Knows), known, others) < 1e-9


def test_errors_are_those_of_networks_left_out(space):
    """Counted by a model that knows nothing but what it has been fitted to."""

    class Remembers:
        name = "remembers"

        def fit(self, known):
            seen = {id(e.counts) for e in known}
            return lambda _genotype, counts: 1.0 if id(counts) in seen else 3.0

    known = examples(space, 13, lambda *_: 1.0)
    assert choice.cross_validated([Remembers()], known) == {"remembers": 2.0}
    with pytest.raises(Fault, match="7 measured networks are too few to predict from: 8"):
        choice.cross_validated([Remembers()], known[:7])


def test_the_simplest_model_that_none_clearly_beats_is_chosen():
    assert choice.chosen({"a": 0.02, "b": 0.0195, "c": 0.03}) == "a"
    assert choice.chosen({"a": 0.02, "b": 0.01, "c": 0.0099}) == "b"
    assert choice.chosen({"a": 0.02, "b": 0.01, "c": 0.005}) == "c"


def test_sums_are_offered_where_a_table_is_and_nowhere_else(space, cost, table):
    names = [model.name for model in choice.models(space, cost, None)]
    assert names and not any("rows" in name for name in names)
    with_table = [model.name for model in choice.models(space, cost, table)]
    assert with_table[0] == "sum of the layers' rows" and set(names) < set(with_table)
    assert len(set(with_table)) == len(with_table)


def test_a_check_counts_errors_as_its_words_say(space):
    several = examples(space, 5, lambda *_: 1.0)
    taken, told = [1.0, 2.0, 4.0, 5.0, 8.0], [1.1, 2.0, 3.0, 5.2, 8.0]
    several = [Example(e.genotype, e.counts, t) for e, t in zip(several, taken, strict=True)]
    by_counts = {id(e.counts): ms for e, ms in zip(several, told, strict=True)}
    check = choice.checked(lambda _genotype, counts: by_counts[id(counts)], several)
    assert check.mape == pytest.approx((0.1 + 0 + 0.25 + 0.04 + 0) / 5)
    assert check.median_error == pytest.approx(0.04)
    assert check.within_10 == 0.6 and check.spearman == pytest.approx(1.0)  # 1.1 / 1 is 0.1 + 1e-16
    assert check.worst_error == -0.25 and check.worst_genotype == str(several[2].genotype)


def test_a_model_of_another_version_is_refused(space, cost):
    with pytest.raises(Fault, match="cannot be predicted by 'magic': this version knows no such"):
        choice.fitted(choice.models(space, cost, None), "magic", [])


def test_what_another_surrogate_corrected_is_refused_by_its_name(space, cost, table):
    class One:
        def __init__(self, space, seed):
            pass

    class Other(One):
        pass

    several = choice.models(space, cost, table, functools.partial(Other))
    assert any(model.name.endswith("ridge 1, corrected by Other") for model in several)
    name = next(m.name for m in choice.models(space, cost, table, One) if m.name.endswith("by One"))
    with pytest.raises(Fault, match="corrected by One, and device.surrogate is Other: give device"):
        choice.fitted(several, name, [])
    with pytest.raises(Fault, match="this version knows no such model"):
        choice.fitted(several, "magic, corrected by Other", [])


def test_predicting_needs_no_torch():
    code = (
        "import sys, nascli.costs.latency_choice, nascli.costs.latency_profile\n"
        "import scipy.optimize, scipy.stats\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT).returncode == 0
