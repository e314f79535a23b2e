"""The latency table of a search: measured once, written down at once, and used on a resume."""

from dataclasses import dataclass, field, replace

from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.device import Latencies, Latency
from nascli.core.problem import Problem
from nascli.costs.latency_table import LatencyTable, measured
from nascli.programs.networks import TABLE, keep_latencies
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
