"""Builds the parts of a problem from a composed config, collecting every fault on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import DictConfig, OmegaConf

from nascli.config import GIVEN
from nascli.core.budget import Budget
from nascli.core.estimator import COSTS, Estimator
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.objective import Constraint, Objective
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace, check
from nascli.core.strategy import Strategy
from nascli.core.workers import Workers

T = TypeVar("T")


@dataclass
class Faults:
    """What is wrong so far; raised together."""

    found: list[str] = field(default_factory=list)

    def attempt(self, build: Callable[[], T]) -> T | None:
        """What `build` gives, or None if it has a fault."""
        try:
            return build()
        except Fault as fault:
            self.found.append(str(fault))
            return None

    def check(self) -> None:
        """Raises one Fault with all of them."""
        if self.found:
            raise Fault("\n".join(dict.fromkeys(self.found)))


def component(config: DictConfig, key: str, *args: object) -> Any:
    """What `config[key]` describes, built as `_target_(*args, **values)`; None for an empty node.

    Raises:
        Fault: the target does not exist, does not take a value, or refuses it.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    node = config[key]
    if node is None or "_target_" not in node:
        return None
    missing = sorted(OmegaConf.missing_keys(node))
    if missing:
        raise Fault("\n".join(f"{m} is missing: give {m}=VALUE" for m in missing))
    try:
        return instantiate(node, *args, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, Fault):
            raise Fault(f"{key}: {cause}") from error
        if isinstance(cause, (TypeError, ValueError, ImportError, AttributeError)):
            raise Fault(f"{key}: {cause}") from error
        if cause is not None:
            raise
        raise Fault(f"{key}: {str(error).splitlines()[0]}") from error


def problem(config: DictConfig, faults: Faults) -> Problem | None:
    """Space, task, recipe and device as one problem; None if one of them has a fault."""
    absolute(config)
    training = faults.attempt(lambda: component(config, "training"))
    task = faults.attempt(lambda: component(config, "data"))
    device = faults.attempt(lambda: component(config, "device"))
    run_on = faults.attempt(lambda: _accelerator(config.accelerator))
    made = faults.attempt(lambda: space(config, task)) if task else None
    objectives = faults.attempt(lambda: _objectives(config)) or ()
    constraints = faults.attempt(lambda: _constraints(config)) or ()
    fidelity = faults.attempt(lambda: _fidelity(config)) or 1.0
    if made is None or task is None or training is None or run_on is None:
        return None
    return Problem(
        space=made,
        task=task,
        training=training,
        objectives=objectives,
        constraints=constraints,
        device=device,
        run_on=run_on,
        seed=config.seed,
        fidelity=fidelity,
    )


def absolute(config: DictConfig) -> None:
    """Makes the paths of data and tables absolute, so that a run resumes from anywhere."""
    for key in ("data", "estimator"):
        node = config.get(key)
        if node and not OmegaConf.is_missing(node, "path") and node.get("path") is not None:
            node.path = str(Path(str(node.path)).expanduser().resolve())


def space(config: DictConfig, task: object) -> SearchSpace:
    """The space, with the size of network that the training recipe or the user asks for."""
    from hydra.utils import get_class

    # Resolved first: a given size refers to the very key that it is merged into.
    recipe = cast(dict[str, Any], OmegaConf.to_container(config.training, resolve=True))
    sizes = recipe.get("network") or {}
    name = getattr(get_class(config.space._target_), "name", "")
    sized = OmegaConf.merge(config, {"space": sizes.get(name) or {}})
    sized = OmegaConf.merge(sized, {"space": sizes.get(GIVEN) or {}})
    return cast(SearchSpace, component(cast(DictConfig, sized), "space", task))


def _accelerator(name: str) -> str:
    allowed = ("auto", "cpu", "cuda")
    if name not in allowed:
        raise Fault(unknown("accelerator", name, allowed))
    if name == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise Fault("accelerator=cuda, but torch finds no CUDA GPU; take accelerator=cpu")
    return name


def _objectives(config: DictConfig) -> tuple[Objective, ...]:
    given = config.get("objectives")
    if given is None:
        return (Objective("accuracy", "max"),)
    for metric, direction in given.items():
        if direction not in ("max", "min"):
            raise Fault(f"objectives.{metric} is {direction!r}; it must be max or min")
    if len(given) != 1:
        raise Fault(
            f"objectives names {len(given)} metrics ({', '.join(map(str, given))}); the strategies "
            "here take exactly one: bound the others with constraints.METRIC=VALUE"
        )
    return tuple(Objective(str(metric), direction) for metric, direction in given.items())


def _constraints(config: DictConfig) -> tuple[Constraint, ...]:
    bounds = []
    for metric, value in (config.get("constraints") or {}).items():
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or value <= 0:
            raise Fault(f"constraints.{metric} is {value!r}; it must be a number above 0")
        bounds.append(Constraint(str(metric), float(value)))
    return tuple(bounds)


def _fidelity(config: DictConfig) -> float:
    value = config.get("fidelity", 1.0)
    if not 0 < value <= 1:
        raise Fault(f"fidelity is {value}; it must be above 0 and at most 1")
    return float(value)


@dataclass
class Parts:
    """All that a search is made of."""

    problem: Problem
    strategy: Strategy
    estimators: tuple[Estimator, ...]
    workers: Callable[..., Workers]
    budget: Budget


def search(config: DictConfig) -> Parts:
    """The parts of `nas search`.

    Raises:
        Fault: everything that is wrong with the config.
    """
    faults = Faults()
    budget = faults.attempt(lambda: Budget(**config.budget))
    workers = faults.attempt(lambda: component(config, "workers"))
    made = problem(config, faults)
    strategy = estimators = None
    if made is not None:
        strategy = faults.attempt(lambda: component(config, "strategy", made))
        estimators = faults.attempt(lambda: chain(config, made))
    faults.check()
    assert made is not None and budget is not None and estimators is not None
    return Parts(made, cast(Strategy, strategy), estimators, cast(Any, workers), budget)


def chain(config: DictConfig, stated: Problem) -> tuple[Estimator, ...]:
    """The chosen estimator, after the costs unless it brings its own.

    Raises:
        Fault: objectives or constraints name a metric that none of them gives.
    """
    chosen: Estimator = component(config, "estimator", stated)
    if chosen is None:
        raise Fault("estimator is empty; take one that says how good a genotype is")
    estimators: tuple[Estimator, ...] = (chosen,)
    if not set(COSTS) & set(chosen.metrics):
        from nascli.estimators.costs import Costs

        estimators = (Costs(stated), chosen)
    known = [metric for estimator in estimators for metric in estimator.metrics]
    wanted = [("objectives", o.metric) for o in stated.objectives]
    wanted += [("constraints", c.metric) for c in stated.constraints]
    lacking = [(key, metric) for key, metric in wanted if metric not in known]
    bad = [unknown(f"metric in {key}", metric, known) for key, metric in lacking]
    if bad:
        raise Fault("\n".join(bad))
    return estimators


def stated(config: DictConfig) -> Problem:
    """The problem alone, for a command that may do without a genotype.

    Raises:
        Fault: everything that is wrong with the config.
    """
    faults = Faults()
    made = problem(config, faults)
    faults.check()
    assert made is not None
    return made


def network(config: DictConfig) -> tuple[Problem, Genotype]:
    """The problem and the genotype that `config.genotype` names, which is of the problem's space.

    Raises:
        Fault: everything that is wrong with the config.
    """
    faults = Faults()
    made = problem(config, faults)
    named = faults.attempt(lambda: genotype(config.genotype))
    faults.check()
    assert made is not None and named is not None
    return made, check(made.space, named)


def genotype(reference: object) -> Genotype:
    """The genotype that `genotype=` names."""
    from nascli.genotypes import load

    if not reference:
        raise Fault(
            "say which network: genotype=RUN_FOLDER, genotype=FILE.json, a published name "
            "(nas list genotype) or a NAS-Bench-201 string"
        )
    return load(str(reference))
