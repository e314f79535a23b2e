"""How fast the costs of networks are known: from plans, and by building and running them on shapes.

python benchmarks/costs.py [genotypes] [proposals]         (default: 5000 and 20000)

Distinct random genotypes, one core, CPU seconds. "Cold" are the first hundred of a fresh counter,
whose rows for layers are still to be found. Both ways are held to each other on the genotypes that
were built. "Impossible" is what it takes a fresh process to prove that no network has so few
parameters. "Search" is the whole loop of `nas search strategy=evolution` in memory, under a bound
on the parameters that no genotype keeps: nothing is trained.
"""

import json
import os
import platform
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import tabular

SPACES = {  # at the sizes that spaces have by themselves
    "cell": [
        "space=cell", "training.network.cell.channels=16", "training.network.cell.cells=8",
    ],
    "nasbench201": [
        "space=nasbench201", "training.network.nasbench201.channels=16",
        "training.network.nasbench201.cells_per_stage=5",
    ],
}  # fmt: skip
COMMON = ["strategy=evolution", "estimator=train", "device=none", "accelerator=cpu"]
COMMON += ["data=synthetic", "data.channels=3", "data.size=32"]
COLD, BUILT = 100, 20
PROVE = """
import json, sys, time
from hydra.utils import get_class
from omegaconf import OmegaConf
from nascli.core.goal import Constraint
from nascli.core.problem import Problem
from nascli.core.survey import survey
from nascli.core.trial import Proposal
from nascli.estimators.costs import Costs

config = OmegaConf.create(json.loads(sys.argv[1]))
task = type("Task", (), {"name": "images", "input_shape": (3, 32, 32), "classes": 10})()
values = {k: v for k, v in config.items() if not k.startswith("_")}
space = get_class(config._target_)(task, **OmegaConf.to_container(OmegaConf.create(values)))
start, cpu = time.perf_counter(), time.process_time()
costs = Costs(Problem(space, task, None))
found = survey(
    space, lambda genotype: costs.estimate(Proposal(genotype)), 0,
    samples=1000, most=4000, proved=costs.extremes(),
)
excess, genotype = found.nearest([Constraint("params", 1000.0)])
print(json.dumps({
    "seconds": round(time.perf_counter() - start, 3),
    "cpu_seconds": round(time.process_time() - cpu, 3),
    "looked_at": len(found.looked),
    "certain": found.impossible(Constraint("params", 1000.0)),
    "least_params": found.range("params")[0],
    "torch": "torch" in sys.modules,
}))
"""


def composed(name: str, *overrides: str) -> Any:
    from nascli.config import compose

    return compose.composed("search", [*COMMON, *SPACES[name], *overrides])


def space_of(name: str) -> Any:
    """The space at its own size, on 3x32x32 images of ten classes."""
    from hydra.utils import instantiate

    task = type("Task", (), {"name": "images", "input_shape": (3, 32, 32), "classes": 10})()
    return instantiate(composed(name).space, task)


def distinct(space: Any, count: int) -> list[Any]:
    from nascli.core.space import sample

    rng, found = random.Random(0), {}
    while len(found) < count:
        found[sample(space, rng)] = None
    return list(found)


def counting(name: str, count: int) -> dict[str, Any]:
    """Genotypes a second from plans, cold and warm, and by building."""
    from nascli.costs.plans import PlanCounter

    space = space_of(name)
    genotypes = distinct(space, count)
    counter, known = PlanCounter(space), {}

    def rate(those: list[Any]) -> float:
        start = time.process_time()
        for genotype in those:
            known[genotype] = counter(genotype)
        return round(len(those) / (time.process_time() - start), 1)

    assert "torch" not in sys.modules
    cold, warm = rate(genotypes[:COLD]), rate(genotypes[COLD:])
    assert "torch" not in sys.modules
    import torch

    from nascli.costs.count import count as counted

    torch.set_num_threads(1)

    def built(genotype: Any) -> Any:
        with torch.device("meta"):
            return counted(space.network(genotype), (3, 32, 32))

    built(genotypes[0])  # imports, and what torch sets up once
    start = time.process_time()
    results = {genotype: built(genotype) for genotype in genotypes[:BUILT]}
    old = BUILT / (time.process_time() - start)
    assert all(known[genotype] == result for genotype, result in results.items())
    return {
        "genotypes": count,
        "first_100_a_second": cold,
        "others_a_second": warm,
        "built_and_run_a_second": round(old, 1),
        "times": round(warm / old),
    }


def impossible(name: str) -> dict[str, Any]:
    """What a fresh process takes to be certain."""
    from omegaconf import OmegaConf

    config = json.dumps(OmegaConf.to_container(composed(name).space, resolve=True))
    command = [sys.executable, "-c", PROVE, config]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def searched(name: str, proposals: int) -> dict[str, Any]:
    """Proposals a second of a search that finds next to nothing feasible, the loop included."""
    from nascli.config import search as parts_of
    from nascli.config.compose import Asked
    from nascli.core.evaluation import Evaluation
    from nascli.core.loop import Search
    from nascli.core.trial import Proposal

    def built(*overrides: str) -> Any:
        return parts_of.check(Asked("search", composed(name, *overrides), {}, [], ""))

    costs = built().estimators[0]
    least = costs.estimate(Proposal(costs.extremes()["params"][0]))["params"]
    proposed = ("budget.trials=null", f"budget.proposals={proposals}", "budget.repeats=null")
    parts = built(*proposed, f"+constraints.params={least - 1:.0f}")
    evaluation = Evaluation(parts.problem, parts.estimators)
    workers = parts.workers(evaluation, Path())
    search = Search(parts.strategy, evaluation, workers, parts.budget)
    start = time.process_time()
    search.run(lambda _trial: None)
    seconds = time.process_time() - start
    history = search.history
    assert len(history) == proposals
    assert all(trial.infeasible for trial in history)
    return {
        "proposals": proposals,
        "distinct": len({trial.genotype for trial in history}),
        "a_second": round(proposals / seconds, 1),
    }


def alone(part: str, *arguments: object) -> Any:
    """One of the functions above in a process of its own, so that each begins without torch."""
    code = f"import json, costs; print(json.dumps(costs.{part}(*{arguments!r})))"
    command = [sys.executable, "-c", code]
    here = Path(__file__).parent
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=here)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    genotypes = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    proposals = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    rows: dict[str, Any] = {}
    load = os.getloadavg()[0]
    for name in SPACES:
        rows[name] = {
            "counting": alone("counting", name, genotypes),
            "impossible": alone("impossible", name),
            "search": alone("searched", name, proposals),
        }
        print(name, json.dumps(rows[name], indent=2))
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(load, 2),
    }
    tabular.save("costs", {"machine": machine, "rows": rows})


if __name__ == "__main__":
    main()
