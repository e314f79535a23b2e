"""Tables of latencies over decisions, against sums that they are to find again."""

import random

import numpy as np
import pytest
from fixtures import CHECKOUT, ToySpace

from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.space import at, sample
from nascli.costs.edges import fit

EDGES = {str(edge): ("none", "skip", "conv", "pool") for edge in range(6)}
SPACE = ToySpace(name="edges", decisions=EDGES)


def truth(seed=0):
    rng = np.random.default_rng(seed)
    return {(e, o): float(rng.uniform(0.1, 3)) for e, options in EDGES.items() for o in options}


def total(costs, genotype, fixed=2.0):
    return fixed + sum(costs[e, o] for e, o in genotype.choices.items())


def drawn(count, seed=0):
    rng = random.Random(seed)
    return [sample(SPACE, rng) for _ in range(count)]


def test_a_sum_over_edges_is_found_exactly():
    costs = truth()
    table = fit(EDGES, [(g, total(costs, g)) for g in drawn(60)])
    for genotype in drawn(50, seed=1):
        assert table.ms(genotype) == pytest.approx(total(costs, genotype), rel=1e-6)
    assert all(row[0] == 0 for row in table.rows.values())  # the first option is the ground
    least = Genotype("edges", tuple(EDGES), ("none",) * 6)
    assert table.fixed == pytest.approx(total(costs, least))


def test_glitches_do_not_spoil_it():
    costs = truth()
    samples = [(g, total(costs, g)) for g in drawn(100)]
    spoilt = [(g, 0.01 * ms if n % 12 == 0 else ms) for n, (g, ms) in enumerate(samples)]
    table = fit(EDGES, spoilt)
    assert all(table.ms(g) == pytest.approx(ms, rel=1e-3) for g, ms in samples)


def test_under_noise_edges_that_hardly_differ_share_what_they_know():
    """25 free numbers from 40 noisy networks are worse than 4 with small own parts."""
    costs = {
        (e, o): 1.0 + ["none", "skip", "conv", "pool"].index(o)
        for e, options in EDGES.items()
        for o in options
    }
    rng = np.random.default_rng(0)
    samples = [(g, total(costs, g) * float(rng.lognormal(0, 0.1))) for g in drawn(40)]
    table = fit(EDGES, samples)
    features = [
        [1.0] + [float(g.choices[e] == o) for e in EDGES for o in EDGES[e][1:]] for g, _ in samples
    ]
    plain = np.linalg.lstsq(np.array(features), np.array([ms for _, ms in samples]), rcond=None)[0]
    ours = free = 0.0
    for genotype in drawn(300, seed=2):
        row = [1.0] + [float(genotype.choices[e] == o) for e in EDGES for o in EDGES[e][1:]]
        ours += abs(table.ms(genotype) / total(costs, genotype) - 1)
        free += abs(float(np.array(row) @ plain) / total(costs, genotype) - 1)
    assert ours < 0.75 * free


def test_no_networks_and_absurd_times_are_faults():
    for samples in ([], [(at(SPACE, 0), 0.0)], [(at(SPACE, 0), -1.0), (at(SPACE, 1), 2.0)]):
        with pytest.raises(Fault, match="needs networks, and times above 0 ms"):
            fit(EDGES, samples)


@pytest.mark.parametrize(
    ("setting", "within", "least"),
    [
        ("eyeriss", 1e-4, 1.0),
        ("fpga", 1e-4, 1.0),
        ("titan_rtx_256", 0.1, 1.0),
        ("gold_6226", 0.1, 0.92),
    ],
)
def test_a_hundred_cells_of_a_published_device_tell_all_others(setting, within, least):
    table = np.load(CHECKOUT / "nascli" / "tables" / "nasbench201.npz", allow_pickle=False)
    ms, names = table[f"latency_ms_{setting}"].astype(float), [str(o) for o in table["operations"]]
    decisions = {str(edge): tuple(names) for edge in range(6)}
    numbers = random.Random(1).sample(range(15_625), 1_100)
    cells = [
        Genotype("n", tuple(decisions), tuple(names[o] for o in table["cells"][n])) for n in numbers
    ]
    made = fit(decisions, [(g, float(ms[n])) for g, n in zip(cells[:100], numbers, strict=False)])
    errors = [abs(made.ms(g) / ms[n] - 1) for g, n in zip(cells[100:], numbers[100:], strict=True)]
    assert np.mean(np.array(errors) <= within) >= least
