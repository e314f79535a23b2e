"""Builds the parts of a problem from a composed config, collecting every fault on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import DictConfig, OmegaConf

from nascli.commands import images, settings
from nascli.config import GIVEN, root
from nascli.core.budget import Budget
from nascli.core.estimator import COSTS, Estimator
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.goal import Goal
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Problem
from nascli.core.space import Relaxable, SearchSpace, check
from nascli.core.strategy import Strategy
from nascli.core.traits import traits_of
from nascli.core.workers import Evaluate, Workers

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

    def found_by(self, look: Callable[[], None]) -> bool:
        """Whether `look` finds a fault."""
        before = len(self.found)
        self.attempt(look)
        return len(self.found) > before

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


def problem(config: DictConfig, faults: Faults, listener: Listener = SILENT) -> Problem | None:
    """Space, task, recipe and device as one problem; None if one of them has a fault."""
    absolute(config)
    training = faults.attempt(lambda: component(config, "training"))
    task = faults.attempt(lambda: images.task(config, component(config, "data")))
    device = faults.attempt(lambda: component(config, "device"))
    run_on = faults.attempt(lambda: settings.accelerator(config))
    made = faults.attempt(lambda: space(config, task)) if task else None
    objectives = faults.attempt(lambda: settings.objectives(config)) or ()
    constraints = faults.attempt(lambda: settings.constraints(config)) or ()
    scalar = None
    if "scalarisation" in config:
        scalar = faults.attempt(lambda: component(config, "scalarisation"))
    fidelity = faults.attempt(lambda: settings.fidelity(config)) or 1.0
    faults.attempt(lambda: settings.check_threads(config))
    if made is None or task is None or training is None or run_on is None:
        return None
    return Problem(
        space=made,
        task=task,
        recipe=training,
        goal=Goal(objectives, constraints, scalar),
        device=device,
        run_on=run_on,
        seed=config.seed,
        fidelity=fidelity,
        listener=listener,
    )


def absolute(config: DictConfig) -> None:
    """Makes the paths of data and tables absolute, so that a run resumes from anywhere."""
    for key in ("data", "estimator", "reference"):
        node = config.get(key)
        while node:
            if not OmegaConf.is_missing(node, "path") and node.get("path") is not None:
                node.path = str(Path(str(node.path)).expanduser().resolve())
            node = node.get("of")  # what it wraps


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


@dataclass
class Parts:
    """All that a search is made of; `shares` are constraints that no number is known for yet."""

    problem: Problem
    strategy: Strategy
    estimators: tuple[Estimator, ...]
    workers: Callable[..., Workers]
    budget: Budget
    shares: dict[str, float]


def search(config: DictConfig, listener: Listener = SILENT) -> Parts:
    """The parts of `nas search`.

    Raises:
        Fault: everything that is wrong with the config.
    """
    faults = Faults()
    budget = faults.attempt(lambda: Budget(**config.budget))
    workers = faults.attempt(lambda: component(config, "workers"))
    if workers is not None:
        faults.attempt(lambda: workers(_nothing).close())  # its settings are looked at on building
    made = problem(config, faults, listener)
    shares = {} if made is None else settings.shares(config)
    strategy = estimators = None
    if made is not None and not faults.found_by(lambda: _check_fit(config, made)):
        strategy = faults.attempt(lambda: component(config, "strategy", made))
        estimators = faults.attempt(lambda: chain(config, made))
    faults.check()
    assert made is not None and budget is not None and estimators is not None
    return Parts(made, cast(Strategy, strategy), estimators, cast(Any, workers), budget, shares)


def _nothing() -> Evaluate:
    """Stands in for what makes an evaluation."""
    return cast(Evaluate, None)


def estimation(config: DictConfig) -> tuple[Problem, tuple[Estimator, ...]]:
    """The problem and the estimators alone, for a process that proposes nothing.

    Raises:
        Fault: everything that is wrong with the config.
    """
    faults = Faults()
    made = problem(config, faults)
    estimators = faults.attempt(lambda: chain(config, made)) if made else None
    faults.check()
    assert made is not None and estimators is not None
    return made, estimators


def _check_fit(config: DictConfig, made: Problem) -> None:
    """Raises a Fault where the chosen strategy cannot do what the other parts ask of it."""
    from hydra.utils import get_class

    strategy = get_class(config.strategy._target_)
    objectives = made.goal.objectives
    if made.goal.front and not traits_of(strategy).several_objectives:
        names = ", ".join(objective.metric for objective in objectives)
        raise Fault(
            f"{strategy.__name__} takes one objective, and there are {len(objectives)} "
            f"({names}); take strategy=nsga2, or one of the others with scalarisation=mnasnet, or "
            "bound a cost with constraints.METRIC=VALUE"
        )
    _check_sharing(config, made)


def _check_sharing(config: DictConfig, made: Problem) -> None:
    """Raises a Fault where weights are to be shared but there are none, or nobody trains them."""
    from hydra.utils import get_class

    shares = {}
    for key in ("strategy", "estimator"):
        part = get_class(config[key]._target_)
        shares[key] = traits_of(part).weight_sharing
        if shares[key] and not isinstance(made.space, Relaxable):
            have = ", ".join(f"space={name}" for name in with_supernet())
            raise Fault(
                f"{part.__name__} trains a supernet, and space '{made.space.name}' has none; "
                f"those that have one: {have}"
            )
    if shares["estimator"] and not shares["strategy"]:
        raise Fault(
            f"{part.__name__} scores with shared weights, which this strategy does not train; "
            "take estimator=train, or strategy=darts"
        )
    if shares["estimator"] and traits_of(get_class(config.workers._target_)).own_processes:
        raise Fault(f"{part.__name__} needs the supernet in this process; take workers=serial")


def with_supernet() -> list[str]:
    """The shipped spaces that have a supernet."""
    from hydra.utils import get_class

    files = sorted((root() / "space").glob("*.yaml"))
    targets = {file.stem: cast(Any, OmegaConf.load(file))._target_ for file in files}
    return [name for name, target in targets.items() if hasattr(get_class(target), "supernet")]


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
    wanted = [("objectives", o.metric) for o in stated.goal.objectives]
    wanted += [("constraints", metric) for metric in config.get("constraints") or {}]
    scalar = stated.goal.scalarisation
    wanted += [("scalarisation", metric) for metric in (scalar.metrics if scalar else ())]
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
