"""Where trials run: workers, and the evaluation for those that are processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli.config import building, values
from nascli.core import protocols
from nascli.core.evaluation import Judging
from nascli.core.fault import Fault
from nascli.core.traits import traits_of
from nascli.core.workers import Evaluate, Workers
from nascli.programs.recording import Hire
from nascli.programs.threads import set_threads
from nascli.runs.folder import Run

Make = Callable[[DictConfig, Run], Judging]
"""Config and run folder -> an evaluation that leaves tracebacks of failed trials there."""


@dataclass(frozen=True)
class FromConfig:
    """Builds an evaluation anew in whatever process calls it: plain data that travels.

    `path` is the run's folder; `make` a function of a module, or a partial one.
    """

    config: dict[str, Any]
    path: Path
    make: Make

    @classmethod
    def of(cls, config: DictConfig, path: Path, make: Make) -> FromConfig:
        """From a composed config."""
        plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
        return cls(plain, path.resolve(), make)

    def __call__(self) -> Evaluate:
        """Builds problem and estimators."""
        config = OmegaConf.create(self.config)
        evaluation = self.make(config, Run(self.path))
        set_threads(values.threads(config), evaluation.problem)
        return evaluation


def workers(config: DictConfig) -> Callable[..., Workers]:
    """What makes the chosen workers; its settings are looked at.

    Raises:
        Fault: one of them makes no sense.
    """
    made: Callable[..., Workers] = building.component(config, "workers")
    if made is None:
        raise Fault("workers is empty; take workers=serial")
    at_once = traits_of(made.func).own_processes  # type: ignore[attr-defined]
    if at_once and (config.get("device") or {}).get("energy"):
        raise Fault(
            "device.energy=true counts all that the hardware does, and these workers have several "
            "trials run at once; take workers=serial"
        )
    protocols.check(made(_nothing), Workers, "workers", spared=("traits",)).close()
    return made


def hired(config: DictConfig, made: Callable[..., Workers], make: Make) -> Hire:
    """What a program calls with its evaluation and its run folder to get its workers."""
    remote = traits_of(made.func).own_processes  # type: ignore[attr-defined]

    def hire(evaluation: Evaluate, path: Path) -> Workers:
        return made(FromConfig.of(config, path, make) if remote else lambda: evaluation)

    return hire


def _nothing() -> Evaluate:
    """Stands in for what makes an evaluation."""
    return cast(Evaluate, None)
