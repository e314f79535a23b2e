"""The predictor strategy on objectives that it was not chosen on: queries to the known optimum.

python benchmarks/predictor_objectives.py [seeds=40] [limit=1000] [OBJECTIVE or VARIANT ...]

Its kernels and acquisition were chosen on NAS-Bench-201's 200-epoch validation accuracies. Here:
`12-DATA`, the validation accuracy after the 12-epoch recipe, which is another training;
`flops-DATA`, the 200-epoch validation accuracy less 10 points times the share of the largest
network's multiply-adds; `cell`, a synthetic objective on the DARTS space: of a hidden genotype, in
its canonical form, the sum of weights (log-normal, drawn by the seed) of the decisions that a
genotype's canonical form shares with it. A query is one genotype, however often it is proposed; a
search ends at the optimum or at `limit` queries, which then count. `missed` are the searches that
ended there. `local_search` is what these objectives give to a search that predicts nothing.

results/predictor_objectives.json keeps every search that is done, which is not run again: it may be
ended at any time, and seeds or objectives be added. `written` matters to `cell` alone: where every
genotype is a candidate nothing is mutated.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import tabular

from nascli.config import search as parts_of
from nascli.config.compose import asked
from nascli.config.overrides import rewritten
from nascli.core.genotype import Genotype
from nascli.core.space import SearchSpace, sample
from nascli.core.trial import Trial
from nascli.costs.plans import PlanCounter

NAME = "predictor_objectives"
TABLE = [f"{kind}-{dataset}" for kind in ("12", "flops") for dataset in tabular.DATASETS]
OBJECTIVES = (*TABLE, "cell")
PREDICTOR = "strategy=predictor"
VARIANTS = {  # what a search is told; the first is the default
    "decisions": (PREDICTOR,),
    "graph": (PREDICTOR, "strategy.surrogate.distances=graph"),
    "written": (PREDICTOR, "strategy.from_canonical=0"),  # mutations of trials as written alone
    "local_search": ("strategy=local_search",),
}
Objective = tuple[Callable[[Genotype], float], float]
"""What a genotype is worth, and the most that one is worth."""


def of_table(name: str, space: SearchSpace) -> Objective:
    """An objective over the cells of NAS-Bench-201."""
    kind, dataset = name.split("-")
    column, rows = tabular.column(dataset, "valid", 12 if kind == "12" else 200)
    values = column.copy()
    if kind == "flops":
        count = PlanCounter(space)
        macs = np.zeros(len(values))
        for options, row in rows.items():
            macs[row] = count(Genotype(space.name, tuple(space.decisions), options)).macs
        values -= 10 * macs / macs.max()
    return lambda genotype: float(values[rows[genotype.options]]), float(values.max())


def of_cell(space: SearchSpace, seed: int) -> Objective:
    """The synthetic one of a seed."""
    import random

    rng = random.Random(f"{seed}/hidden")
    hidden = space.canonical(sample(space, rng)).options
    weights = [rng.lognormvariate(0, 0.5) for _ in hidden]

    def value(genotype: Genotype) -> float:
        options = space.canonical(genotype).options
        pairs = zip(weights, options, hidden, strict=True)
        return sum(weight for weight, option, wanted in pairs if option == wanted)

    return value, sum(weights)


def queries(objective: str, variant: str, seed: int, limit: int) -> int:
    """How many one search takes to the optimum, at most `limit`."""
    space = "cell" if objective == "cell" else "nasbench201"
    words = [f"space={space}", *VARIANTS[variant], "estimator=zero_cost", "device=none"]
    words.append(f"seed={seed}")
    parts = parts_of.build(asked("search", rewritten(words)), survey=False)
    known, metric = parts.problem.space, parts.problem.goal.objectives[0].metric
    value, most = of_cell(known, seed) if space == "cell" else of_table(objective, known)
    seen: set[Genotype] = set()
    for number in itertools.count():
        (proposal,) = parts.strategy.ask(1)
        seen.add(proposal.genotype)
        reached = value(proposal.genotype)
        if reached >= most - 1e-9 or len(seen) == limit:
            return len(seen)
        trial = Trial(number, proposal.genotype, proposal.fidelity, {metric: reached})
        parts.strategy.tell([trial])
    raise AssertionError("a search without an end")


def main() -> None:
    given = {"seeds": 40, "limit": 1000}
    words = [word for word in sys.argv[1:] if "=" not in word]
    given |= {k: int(v) for k, same, v in (w.partition("=") for w in sys.argv[1:]) if same}
    file = tabular.RESULTS / f"{NAME}.json"
    runs = json.loads(file.read_text())["queries"] if file.exists() else {}
    objectives = [word for word in words if word in OBJECTIVES] or OBJECTIVES
    variants = [word for word in words if word in VARIANTS] or ["decisions", "graph"]
    pairs = [(o, v) for o in objectives for v in variants]
    for seed in range(given["seeds"]):
        for objective, variant in pairs:
            own = runs.setdefault(objective, {}).setdefault(variant, {})
            if str(seed) in own:
                continue
            start = time.process_time()
            own[str(seed)] = queries(objective, variant, seed, given["limit"])
            seconds = time.process_time() - start
            print(objective, variant, seed, own[str(seed)], f"{seconds:.0f} s", flush=True)
            table = {
                o: {v: summary(by, given["limit"]) for v, by in each.items()}
                for o, each in runs.items()
            }
            tabular.save(NAME, {"limit": given["limit"], "table": table, "queries": runs})


def summary(by_seed: dict[str, int], limit: int) -> dict[str, object]:
    """Of one objective and variant."""
    counts = list(by_seed.values())
    told = tabular.mean([float(count) for count in counts])
    more = {"median": statistics.median(counts), "most": max(counts), "seeds": len(counts)}
    return {**told, **more, "missed": sum(count >= limit for count in counts)}


if __name__ == "__main__":
    main()
