"""The parts of `nas scale`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli import genotypes
from nascli.config import building, images, recorded, remote, values
from nascli.config.compose import Asked
from nascli.config.overrides import key_of
from nascli.core.budget import Budget
from nascli.core.channels import DEPTHS
from nascli.core.estimator import Estimator
from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.goal import Goal
from nascli.core.listener import SILENT, Listener
from nascli.core.problem import Images, Problem
from nascli.core.scaling import Scale, Scaling, Searching
from nascli.core.space import Resizable, Scalable
from nascli.core.traits import traits_of
from nascli.programs.grid import Grid, Grown, Member
from nascli.programs.recording import kept_by
from nascli.programs.scale import Parts
from nascli.runs import reading
from nascli.runs.folder import Run

_PATH = "data.path="
_BASE = "base.json"  # what a grid grows, so that it can be gone on with wherever it came from


def begin(asked: Asked, listener: Listener = SILENT) -> tuple[Run, Parts]:
    """The run folder, a new one or the one of a grid to go on with, and the parts.

    Raises:
        Fault: everything that is wrong with the config; no run folder is made.
    """
    if asked.config.resume:
        run, old = recorded.opened(asked)
        with recorded.freed(run):
            return run, build(_as_begun(run, old), listener)
    parts = build(asked, listener)
    files = {_BASE: genotypes.dump(parts.grid.genotype)} if parts.grid is not None else {}
    return recorded.claimed(asked, "scaling", "space", files=files), parts


def _as_begun(run: Run, asked: Asked) -> Asked:
    """What the run was asked for, for the words of commands that go on from it."""
    if not (run.place / _BASE).is_file():
        raise Fault(f"'{run.path}' is over: of nas scale, scaling=grid alone can be gone on with")
    before = reading.environment(run.path)
    said = list(before.get("overrides", ()))
    if any(text.startswith(_PATH) for text in asked.overrides):  # the images have moved
        said = [text for text in said if not text.startswith(_PATH)]
    asked.config.genotype = str(run.path / _BASE)
    return replace(asked, choices=before.get("choices", {}), overrides=[*said, *asked.overrides])


def build(asked: Asked, listener: Listener = SILENT) -> Parts:
    """The members of the family, each a genotype for images of its size, or what finds it.

    Raises:
        Fault: everything that is wrong with the config.
    """
    config, faults = asked.config, building.Faults()
    scaling: Scaling | None = faults.attempt(lambda: building.component(config, "scaling"))
    searches = isinstance(scaling, Searching)
    budget = faults.attempt(lambda: Budget(**config.budget)) if searches else None
    workers = faults.attempt(lambda: remote.workers(config)) if searches else None
    growing = faults.attempt(lambda: Growing(config, listener, budget, _space(asked)))
    faults.check()
    assert scaling is not None and growing is not None
    members = {name: growing.member(s) for name, s in scaling.scales(growing.side).items()}
    then = partial(asked.then, outputs=config.outputs)
    only = growing.only
    parts = Parts(members, asked.plain(), partial(_data, asked, only), only, then)
    if not isinstance(scaling, Searching):
        return parts
    assert budget is not None and workers is not None
    faults.attempt(lambda: growing.check_images(members))
    evaluation = faults.attempt(growing.evaluation)
    faults.check()
    assert evaluation is not None
    found = Grid(
        scaling=scaling,
        genotype=growing.genotype,
        evaluation=evaluation,
        grow=growing.member,
        workers=remote.hired(config, workers, grown),
        budget=budget,
        threads=values.threads(config),
    )
    return replace(parts, grid=found)


check = build


def grown(config: DictConfig, run: Run) -> Grown:
    """What trains a candidate, for a process of its own.

    Raises:
        Fault: everything that is wrong with the config.
    """
    return replace(Growing(config).evaluation(), on_error=kept_by(run))


class Growing:
    """A genotype, and its problem, at other scales; `said` are the words that chose the space.

    Raises:
        Fault: everything that is wrong with the config.
    """

    def __init__(
        self,
        config: DictConfig,
        listener: Listener = SILENT,
        budget: Budget | None = None,
        said: Sequence[str] = (),
    ) -> None:
        faults = building.Faults()
        if config.rounding < 1:
            faults.found.append(
                f"rounding is {config.rounding}; it must be a whole number from 1 up"
            )
        if config.depth_rounding not in DEPTHS:
            faults.found.append(unknown("depth_rounding", config.depth_rounding, DEPTHS))
        found = faults.attempt(lambda: building.network(config, listener))
        faults.check()
        assert found is not None
        self.problem, self.genotype = found
        if budget is not None:
            self.problem = replace(self.problem, budget=budget)
        space, self._config, self._said = self.problem.space, config, said
        if not isinstance(space, (Scalable, Resizable)):
            raise Fault(
                f"space '{space.name}' does not say what a wider and deeper network of it is: it "
                "has neither scaled() nor resized(); those of cell, nasbench201, chain, mobile "
                "and hierarchical have"
            )
        self._task = lru_cache(2)(self._images)
        self._key = _size_key(config)

    @property
    def side(self) -> int:
        """Of the base's images, in pixels."""
        return min(self.problem.task.input_shape[1:])

    @property
    def only(self) -> int | None:
        """The same, if the data have images of that size alone."""
        return self.side if self._key is None else None

    def member(self, scale: Scale) -> Member:
        """The network at this scale, and the problem whose network it is.

        Raises:
            Fault: there is no such network.
        """
        problem, side = self.problem, scale.resolution
        shape = problem.task.input_shape[0], side, side
        task = Images(problem.task.name, shape, problem.task.classes)
        rule = self._config.depth_rounding
        more = {} if rule == "up" else {"layers": rule}
        sizes = scale.width, scale.depth, self._config.rounding
        settings: Mapping[str, Any] = {}
        space: Any = problem.space
        if isinstance(space, Scalable):
            larger = space.scaled(self.genotype, *sizes, **more)
        else:
            settings, larger = space.resized(self.genotype, *sizes, **more)
        stated = building.at_sizes(self._config, settings)
        own = replace(problem, space=building.needed(stated, "space", task), task=task)
        plain = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.create(dict(settings))))
        if any(isinstance(value, list) for value in plain.values()):
            yaml = OmegaConf.to_yaml(stated.space)
            return Member(scale, own, larger, space=yaml, settings=plain)
        # Said aloud, for a recipe has sizes of its own that a file of the space gives way to.
        words = [f"space.{key}={value}" for key, value in plain.items()]
        said = [text for text in self._said if key_of(text) not in map(key_of, words)]
        words = [*said, *words] if words or said != [f"space={larger.space}"] else []
        return Member(scale, own, larger, words, settings=plain)

    def evaluation(self) -> Grown:
        """What trains the genotype at a scale.

        Raises:
            Fault: the estimator has one, or gives no accuracy.
        """
        chain = self._trained(Scale(1, 1, self.side))[-1]
        if "accuracy" not in chain[-1].metrics:
            told = ", ".join(chain[-1].metrics)
            raise Fault(f"estimator: it must tell an accuracy, and tells {told}; take train")
        goal = Goal((traits_of(chain[-1]).objective,))
        return Grown(replace(self.problem, goal=goal), self._trained)

    def _trained(self, scale: Scale) -> tuple[Genotype, Problem, Sequence[Estimator]]:
        member = self.member(scale)
        task = self.problem.task if scale.resolution == self.side else self._task(scale.resolution)
        problem = replace(member.problem, task=task)
        return member.genotype, problem, building.estimators(self._config, problem)

    def _images(self, side: int) -> Any:
        config = cast(DictConfig, OmegaConf.merge(self._config, {"data": {self._key: side}}))
        return images.task(config, building.needed(config, "data"))

    def check_images(self, members: Mapping[str, Member]) -> None:
        """Raises a Fault if images of another size are wanted than the data can have."""
        largest = max(member.scale.resolution for member in members.values())
        if (side := self.only) not in (None, largest):
            name = self.problem.task.name
            raise Fault(
                f"scaling: candidates are to be trained on images of up to {largest} pixels, and "
                f"data={name} has {side} only: take data=image_folder, which has any size, or "
                "scaling.gamma=[1], which scales width and depth alone"
            )


def _size_key(config: DictConfig) -> str | None:
    """What data that have any size call it."""
    return next((key for key in ("image_size", "size") if key in config.data), None)


def _space(asked: Asked) -> list[str]:
    """The words of a command that choose the same space."""
    said = [
        text for text in asked.overrides if key_of(text).startswith(("space.", "operation@space"))
    ]
    return [f"space={asked.choices['space']}", *said]


def _data(asked: Asked, only: int | None, pixels: int) -> list[str]:
    """The words of a command that name the same images at this size, or others that can have it.

    `only` is the one size of those, if they have one.
    """
    if only not in (None, pixels):
        return ["data=image_folder", "data.path=FOLDER", f"data.image_size={pixels}"]
    data = [text for text in asked.overrides if text.startswith("data.")]
    if asked.config.resume:  # `then` says where the images are now
        data = [text for text in data if not text.startswith(_PATH)]
    if key := _size_key(asked.config):
        data = [text for text in data if not text.startswith(f"data.{key}=")]
        data.append(f"data.{key}={pixels}")
    return [f"data={asked.choices['data']}", *data]
