"""Builds parts from a composed config: components, the problem, the estimators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from nascli.config import grown, images, kinds, metrics, own_data, shared_weights, values
from nascli.config.files import GIVEN
from nascli.config.light import light
from nascli.core import imported, protocols
from nascli.core.device import Counting, Device, LooksUp, available
from nascli.core.estimator import COSTS, Estimator
from nascli.core.fault import Fault, OfDataError, first_line, unknown
from nascli.core.genotype import Genotype
from nascli.core.goal import Goal, Scalarisation
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Deployed, Images, Problem
from nascli.core.scaling import Scaling
from nascli.core.space import Planned, SearchSpace
from nascli.core.strategy import Strategy
from nascli.core.supernet import SharedWeights
from nascli.core.task import Task
from nascli.core.traits import traits_of
from nascli.estimators.costs import Costs

T = TypeVar("T")
_PROTOCOLS: dict[str, type] = {
    "space": SearchSpace,
    "data": Task,
    "device": Device,
    "strategy": Strategy,
    "estimator": Estimator,
    "reference": Estimator,
    "scalarisation": Scalarisation,
    "scaling": Scaling,
}
_LATER = ("layers",)  # what a component needs in some cases only


@dataclass
class Faults:
    """What is wrong so far; raised together."""

    found: list[str] = field(default_factory=list)

    def attempt(self, build: Callable[[], T]) -> T | None:
        """What `build` gives, or None if it has a fault; once there is one, all else is light."""
        with light() if self.found else nullcontext():
            try:
                return build()
            except Fault as fault:
                self.found.append(str(fault))
        return None

    def found_by(self, look: Callable[[], object]) -> bool:
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
        Fault: the target does not exist, does not take a value, or refuses it; or what it gives
            lacks something that its protocol asks for.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    node = config.get(key)
    if node is None or "_target_" not in node:
        return None
    check_values(config, key)
    try:
        made = instantiate(node, *args, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, Fault):
            where = "data" if isinstance(cause, OfDataError) else key
            said = str(cause)
            raise Fault(said if said.startswith(f"{where}.") else f"{where}: {said}") from error
        if isinstance(cause, (TypeError, ValueError, ImportError, AttributeError)):
            raise Fault(f"{key}: {' '.join(str(cause).split())}") from error
        if isinstance(cause, (RuntimeError, OverflowError, MemoryError)):  # of a size out of reach
            raise Fault(f"{key}: {first_line(cause)}") from error
        if cause is not None:
            raise
        raise Fault(f"{key}: {first_line(error)}") from error
    return protocols.check(made, _PROTOCOLS[key], key, _LATER) if key in _PROTOCOLS else made


def check_values(config: DictConfig, key: str) -> None:
    """Raises a Fault where `config[key]` lacks a value, or has one of another kind."""
    node = config[key]
    missing = sorted(OmegaConf.missing_keys(node))
    if missing:
        raise Fault("\n".join(f"{m} is missing: give {m}=VALUE" for m in missing))
    imported.target(node._target_, key)
    if wrong := list(kinds.wrong(cast(dict[str, Any], OmegaConf.to_container(node)), key)):
        raise Fault("\n".join(wrong))


def problem(
    config: DictConfig, faults: Faults, listener: Listener = SILENT, task: Any = None
) -> Problem | None:
    """Space, task, recipe and device as one problem; None if one of them has a fault.

    `task` is taken in place of the one that the config asks for.
    """
    absolute(config)
    training = faults.attempt(lambda: needed(config, "training"))
    if task is None:
        task = faults.attempt(lambda: images.task(config, needed(config, "data")))
    device = faults.attempt(lambda: component(config, "device"))
    run_on = faults.attempt(lambda: values.accelerator(config))
    made = faults.attempt(lambda: space(config, task)) if task else None
    objectives = faults.attempt(lambda: values.objectives(config)) or ()
    limited(config, device)
    constraints = faults.attempt(lambda: values.constraints(config)) or ()
    scalar = None
    if "scalarisation" in config:
        scalar = faults.attempt(lambda: component(config, "scalarisation"))
    fidelity = faults.attempt(lambda: values.fidelity(config)) or 1.0
    faults.attempt(lambda: values.threads(config))
    seed = faults.attempt(lambda: values.seed(config)) or 0
    if made is not None and (device is not None or isinstance(made, Planned)):
        faults.attempt(lambda: protocols.check(made, SearchSpace, "space"))
    at_size = faults.attempt(lambda: deployed(config, task)) if task else None
    sized = made if at_size is None else at_size.space
    looked = device if isinstance(device, (LooksUp, Counting)) else None
    if sized is not None and looked is not None and faults.found_by(lambda: looked.fits(sized)):
        device = None  # nothing else is asked of it
    if made is None or task is None or training is None or run_on is None:
        return None
    stated = Problem(
        space=made,
        task=task,
        recipe=training,
        goal=Goal(objectives, constraints, scalar),
        device=device,
        run_on=run_on,
        seed=seed,
        fidelity=fidelity,
        listener=listener,
        deployed=at_size,
    )
    return None if faults.found_by(Costs(replace(stated, device=None)).check) else stated


def absolute(config: DictConfig) -> None:
    """Makes the paths of data and tables absolute, so that a run resumes from anywhere."""
    for key in ("data", "device", "estimator", "reference"):
        node = config.get(key)
        while isinstance(node, DictConfig) and node:  # what else it is, is said later
            if not OmegaConf.is_missing(node, "path") and node.get("path") is not None:
                node.path = str(Path(str(node.path)).expanduser().resolve())
            node = node.get("of")  # what it wraps


def limited(config: DictConfig, device: Device | None) -> None:
    """Bounds a search by what the device has, where the config states no bounds of its own."""
    if isinstance(device, Counting) and "constraints" in config:
        stated = config.constraints or {}
        config.constraints = {**device.limits, **stated}


def space(config: DictConfig, task: object) -> SearchSpace:
    """The space, with the size of network that the training recipe or the user asks for."""
    return cast(SearchSpace, needed(sized(config), "space", task))


def deployed(config: DictConfig, task: Task) -> Deployed | None:
    """What `deploy` names: the space at other sizes, for square images of `image` pixels.

    The sizes of a recipe, `training`, stand beside it (`nascli.config.deployment`).

    Raises:
        Fault: it is none of the space's sizes, or the estimator's costs are of networks of its own.
    """
    given = dict(config.get("deploy") or {})
    given.pop("training", None)
    if not given:
        return None
    if part := own_data.apart(config):
        raise Fault(f"deploy: the {part} tells costs of its own networks; leave deploy out")
    base = sized(config)
    side = given.pop("image", task.input_shape[1])
    sizes = [key for key, value in base.space.items() if type(value) is int]
    bad = []
    for key, value in {"image": side, **given}.items():
        if key not in ("image", *sizes):
            bad.append(unknown("size in deploy", str(key), ["image", "training", *sizes]))
        elif type(value) is not int or value < 1:
            bad.append(f"deploy.{key} is {value!r}; it must be a whole number above 0")
    if bad:
        raise Fault("\n".join(bad))
    shape = (task.input_shape[0], side, side) if side != task.input_shape[1] else task.input_shape
    images_there = Images(task.name, shape, task.classes)
    there = at_sizes(config, given)
    return Deployed(needed(there, "space", images_there), images_there)


def at_sizes(config: DictConfig, settings: Mapping[str, Any]) -> DictConfig:
    """The config, its space at the sizes that are asked for but for these `settings` of it.

    A file of the space need not have them: the space has defaults.
    """
    with open_dict(sized(config)) as base:
        return cast(DictConfig, OmegaConf.merge(base, {"space": dict(settings)}))


def needed(config: DictConfig, key: str, *args: object) -> Any:
    """The component, without which there is no problem."""
    made = component(config, key, *args)
    if made is None:
        raise Fault(f"{key} is empty; it must be one of those that nas list {key} shows")
    return made


def sized(config: DictConfig) -> DictConfig:
    """The config, its space with the size of network that the recipe or the user asks for."""
    # Resolved first: a given size refers to the very key that it is merged into.
    recipe = cast(dict[str, Any], OmegaConf.to_container(config.training, resolve=True))
    sizes = recipe.get("network") or {}
    name = getattr(values.made_by(config, "space"), "name", "")
    for key in (name, GIVEN):
        if not isinstance(sizes.get(key) or {}, dict):
            raise Fault(f"training.network.{key} is {sizes[key]!r:.80}; it must be a mapping")
    try:
        merged = OmegaConf.merge(config, {"space": sizes.get(name) or {}})
        return cast(DictConfig, OmegaConf.merge(merged, {"space": sizes.get(GIVEN) or {}}))
    except OmegaConfBaseException as error:
        said = first_line(error)
        raise Fault(f"training.network does not fit space '{name}': {said}") from error


def given(config: DictConfig, key: str, made: Problem, shared: SharedWeights | None) -> Any:
    """`config[key]` built for a problem, with the shared weights if it declares to take them."""
    sharing = shared_weights.sharing(config, key)
    return component(config, key, made, *([shared] if sharing else []))


def estimators(
    config: DictConfig, made: Problem, shared: SharedWeights | None = None
) -> tuple[Estimator, ...]:
    """The chosen estimator, after the costs unless it brings its own.

    Raises:
        Fault: objectives or constraints name a metric that none of them gives.
    """
    chosen: Estimator = given(config, "estimator", made, shared)
    if chosen is None:
        raise Fault("estimator is empty; take one that says how good a genotype is")
    chain: tuple[Estimator, ...] = (chosen,)
    counted = made.device.counts if isinstance(made.device, Counting) else ()
    if not set(COSTS) & set(chosen.metrics) or set(counted) - set(chosen.metrics):
        chain = (Costs(made), chosen)
    reported = [m for one in chain for m in (*one.metrics, *traits_of(one).on_request)]
    metrics.check(config, made, reported)
    return chain


def network(config: DictConfig, listener: Listener = SILENT) -> tuple[Problem, Genotype]:
    """The problem and the genotype that `config.genotype` names, which the problem's space knows.

    Raises:
        Fault: everything that is wrong with the config.
    """
    faults = Faults()
    made = problem(config, faults, listener)
    named = faults.attempt(lambda: genotype(config.genotype))
    faults.check()
    assert made is not None and named is not None
    available(made.device)
    return made, grown.of_its_size(made.space, named, config.genotype)


def genotype(reference: object) -> Genotype:
    """The genotype that `genotype=` names."""
    from nascli.genotypes import load

    if not reference:
        raise Fault(
            "say which network: genotype=RUN_FOLDER, genotype=FILE.json, a published name "
            "(nas list genotype) or a NAS-Bench-201 string"
        )
    return load(str(reference))
