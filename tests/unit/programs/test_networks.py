"""The latency table of a search: measured once, written down at once, and used on a resume."""

from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.device import Latencies, Latency
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.costs.latency_table import LatencyTable, measured
from nascli.programs.networks import TABLE, keep_latencies, layers_of
from nascli.runs.folder import Run

CONDITIONS = {"threads": 1, "dtype": "float32", "batch": 1, "layout": "x", "torch": "2"}


@dataclass
class Clock:
    """Every pass takes a millisecond more than the one before."""

    name: str = "clock"
    passes: list = field(default_factory=list)

    def latencies(self, cases):
        found = []
        for _ in cases:
            self.passes.append(float(len(self.passes) + 1))
            conditions = {**CONDITIONS, "device": "clock"}
            found.append(Latency(self.passes[-1], 0.0, 1e9, 1, conditions))
        return found


def test_one_table_is_measured_kept_and_used(tmp_path):
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    task, clock = ToyTask(input_shape=(3, 8, 8)), Clock()
    space = make(task, channels=2, cells_per_stage=1)
    problem = Problem(space=space, task=task, recipe=None, device=clock)
    run = Run.claim(tmp_path, "search", "clock", {})
    keep_latencies(run, problem)
    assert not (run.path / TABLE).exists()
    table = measured(problem)
    assert len(table) == len(clock.passes) == len(space.layers())
    kept = (run.path / TABLE).read_text()
    assert LatencyTable.from_csv(kept) == table
    assert measured(replace(problem, seed=1)) == table
    resumed = replace(problem, latencies=Latencies())
    keep_latencies(run, resumed)
    assert measured(resumed) == table
    assert len(clock.passes) == len(table)
    assert (run.path / TABLE).read_text() == kept


class Planless:
    """A user's own space, of which only the network is known."""

    name, decisions = "own", MappingProxyType({"width": ("3", "5")})

    def network(self, genotype):
        from torch import nn

        width = int(genotype.choices["width"])
        inside = nn.Sequential(nn.Conv2d(1, width, 1), nn.ReLU())
        whole = nn.Module()
        whole.add_module("features", inside)
        whole.add_module("head", nn.Linear(width, 2))
        return whole


def test_a_space_without_plans_has_its_modules_told():
    problem = Problem(space=Planless(), task=ToyTask(), recipe=None)
    rows = layers_of(problem, Genotype.of("own", {"width": "5"}))
    told = [(row["layer"], row["operation"], row["params"]) for row in rows]
    assert told == [
        ("features.0", "Conv2d", 5 + 5),
        ("features.1", "ReLU", 0),
        ("head", "Linear", 5 * 2 + 2),
    ]


def test_the_layers_of_a_plan_add_up_to_the_network():
    make = instantiate(composed("space=nasbench201").space, _partial_=True)
    space = make(ToyTask(input_shape=(3, 8, 8)), channels=2, cells_per_stage=1)
    problem = Problem(space=space, task=ToyTask(input_shape=(3, 8, 8)), recipe=None)
    genotype = Genotype(
        "nasbench201", tuple(space.decisions), ("nor_conv_3x3",) * len(space.decisions)
    )
    rows = layers_of(problem, genotype)
    network = space.network(genotype)
    stem = rows[0]
    assert stem["output"] == "2x8x8" and stem["output_mb"] == 2 * 8 * 8 * 4 / 1e6
    assert sum(row["params"] for row in rows) == sum(w.numel() for w in network.parameters())
    assert {row["layer"] for row in rows} <= {name for name, _ in network.named_modules()}
