"""The networks of a retraining: the genotype and its baselines, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean, stdev
from typing import Any, cast

from nascli.analysis.baselines import compare
from nascli.core.estimator import COSTS
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.provenance import given
from nascli.core.space import SearchSpace
from nascli.core.trial import Trial
from nascli.data.task import SplitName, Task
from nascli.report import baselines as words
from nascli.runs.folder import WEIGHTS

FOUND, RANDOM = "this genotype", "random"
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")
SCORES = tuple(f"{name}_accuracy" for name in SPLITS)
_SCORE = SCORES[-1]


def there(task: Task) -> tuple[SplitName, ...]:
    """The splits with images: `data.valid_fraction=0` leaves none to validate on."""
    return tuple(name for name in SPLITS if len(task.split(name)))


@dataclass(frozen=True)
class Networks:
    """A genotype and its baselines, each trained once a seed.

    Args:
        problem: that of the genotype; its seed is the first one.
        genotype: whose weights are kept.
        seeds: how many trainings every network gets; their seeds follow each other.
        baselines: name -> genotype, of the problem's space (random ones) or of `known`.
        known: the space of networks that are not of the problem's; None without such.
    """

    problem: Problem
    genotype: Genotype
    seeds: int = 1
    baselines: Mapping[str, Genotype] = field(default_factory=dict)
    known: SearchSpace | None = None

    @property
    def trainings(self) -> list[tuple[Genotype, int]]:
        """Every network and seed, in the order in which they are trained."""
        first = self.problem.seed
        genotypes = (self.genotype, *self.baselines.values())
        return [(one, s) for one in genotypes for s in range(first, first + self.seeds)]

    @property
    def alone(self) -> bool:
        """Whether there is nothing to compare."""
        return self.seeds == 1 and not self.baselines

    @property
    def others(self) -> list[SearchSpace]:
        """The spaces that baselines are of besides the problem's."""
        return [self.known] if self.known is not None else []

    @property
    def random(self) -> list[str]:
        """The names of the baselines that are of the same space."""
        return [name for name, one in self.baselines.items() if one.space == self.genotype.space]

    def name(self, genotype: Genotype) -> str:
        """What a network is called beside the others."""
        names = (name for name, one in self.baselines.items() if one == genotype)
        return next(names, FOUND)

    def problem_of(self, genotype: Genotype, seed: int) -> Problem:
        """The problem of one training."""
        other = self.known is not None and genotype.space != self.genotype.space
        space = self.known if other and self.known is not None else self.problem.space
        return replace(self.problem, space=space, seed=seed)

    def weights(self, genotype: Genotype, seed: int) -> str | None:
        """Where in the run folder a training's weights are kept; None: they are not."""
        if genotype != self.genotype:
            return None
        return WEIGHTS if seed == self.problem.seed else f"weights/seed_{seed}.pt"

    def plan(self) -> list[str]:
        """What is to be trained and what that can show, before it begins."""
        known = [name for name in self.baselines if name not in self.random]
        return words.plan(
            len(self.trainings), self.seeds, len(self.random), known, self.problem.recipe.epochs
        )


def report(
    networks: Networks,
    trials: Sequence[Trial],
    epochs: Sequence[Mapping[str, float]],
    seconds: float,
) -> dict[str, Any]:
    """What report.json says; `trials` are in the order of `trainings`.

    `result`, `costs` and `epochs` are the first training's, whose weights are the answer. What
    there is besides, unless that is the only one, `_compared` says.
    """
    problem, trial = networks.problem, trials[0]
    task, metrics = cast(Task, problem.task), trial.metrics
    return {
        "verb": "retrain",
        "seconds": seconds,
        "problem": {
            "space": problem.space.name,
            "task": task.name,
            "input_shape": list(task.input_shape),
            "classes": task.classes,
            "networks": str(given(problem)),
            "images": {name: len(task.split(name)) for name in SPLITS},
            "device": problem.device.name if problem.device else None,
            "seed": problem.seed,
        },
        "genotype": trial.genotype.to_json(),
        "description": problem.space.describe(trial.genotype),
        "result": {name: metrics[name] for name in SCORES if name in metrics},
        "costs": {name: metrics[name] for name in COSTS if name in metrics},
        "epochs": list(epochs),
        **({} if networks.alone else _compared(networks, trials)),
    }


def _compared(networks: Networks, trials: Sequence[Trial]) -> dict[str, Any]:
    """What the trainings show together.

    - `verdict`: in sentences
    - `networks`: per network its `params` and `macs`, how many `seeds` have ended and how many
      `failed`, `mean_test_accuracy`, `std_test_accuracy` (of the sample; None for one seed) and
      `test_accuracies`, one a seed
    - `comparisons`: as `nascli.analysis.baselines.Versus` says, with `better` and `worse`
    """
    rows = []
    for name, genotype in {FOUND: networks.genotype, **networks.baselines}.items():
        rows.append(_row(name, [trial for trial in trials if trial.genotype == genotype]))
    scores = {row["network"]: row["test_accuracies"] for row in rows if row["seeds"]}
    own, drawn = scores.pop(FOUND), set(networks.random)
    found = compare(
        own,
        [values for name, values in scores.items() if name in drawn],
        {name: values for name, values in scores.items() if name not in drawn},
    )
    return {
        "verdict": words.lines(found, rows),
        "networks": rows,
        "comparisons": [{**asdict(one), "better": one.better, "worse": one.worse} for one in found],
    }


def _row(name: str, trials: Sequence[Trial]) -> dict[str, Any]:
    good = [trial for trial in trials if trial.error is None]
    scores = [trial.metrics[_SCORE] for trial in good]
    costs = good[0].metrics if good else {}
    return {
        "network": name,
        "params": costs.get("params"),
        "macs": costs.get("macs"),
        "seeds": len(good),
        "failed": len(trials) - len(good),
        f"mean_{_SCORE}": fmean(scores) if scores else None,
        f"std_{_SCORE}": stdev(scores) if len(scores) > 1 else None,
        "test_accuracies": scores,
    }
