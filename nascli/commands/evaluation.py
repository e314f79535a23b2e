"""The evaluation of a search, for processes of its own."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nascli import ui
from nascli.commands import build, settings
from nascli.core.loop import Evaluation
from nascli.runs.folder import Run


@dataclass(frozen=True)
class Remade:
    """Builds the evaluation anew, in whatever process calls it: plain data that travels."""

    config: dict[str, Any]
    path: Path

    @classmethod
    def of(cls, config: DictConfig, path: Path) -> Remade:
        """From a composed config and the run's folder, where failed trials leave their traces."""
        plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
        return cls(plain, path.resolve())

    def __call__(self) -> Evaluation:
        """Builds problem and estimators."""
        config = OmegaConf.create(self.config)
        problem, estimators = build.estimation(config)
        settings.set_threads(config, problem)
        ui.log_to(Run(self.path))
        return Evaluation(problem, estimators, keep_trace)


def keep_trace(number: int, error: Exception) -> None:
    """A failed trial's traceback goes to the log."""
    text = "".join(traceback.format_exception(error))
    ui.trace(f"trial {number} failed:\n{text}")
