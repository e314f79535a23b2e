"""A run as TensorBoard shows it: every trial's metrics, every epoch, and what was asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from nascli.core.fault import Fault
from nascli.core.listener import HearsEpochs, Listener
from nascli.core.trial import Trial
from nascli.runs.folder import Run

FOLDER = "tensorboard"


class TensorBoard:
    """A listener that writes what it hears to `tensorboard/` in the run folder, and hands it on.

    Args:
        listener: whom it hands on to.

    Raises:
        Fault: TensorBoard is not installed.
    """

    def __init__(self, listener: Listener) -> None:
        if find_spec("tensorboard") is None:
            raise Fault("logger=tensorboard needs TensorBoard: pip install 'nascli[tensorboard]'")
        self._listener = listener
        self._writer: Any = None

    def begin(self, run: Run, settings: Mapping[str, Any], objectives: Mapping[str, str]) -> None:
        """Writes the settings: as hyperparameters beside the objectives, and whole as text."""
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        self._writer = SummaryWriter(str(run.place / FOLDER))
        domain = {f"trial/{metric}": 0.0 for metric in objectives}
        for part in hparams(_flat(settings), domain):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(part)
        text = json.dumps(settings, indent=2, default=str)
        self._writer.add_text("config", "    " + text.replace("\n", "\n    "))
        self._writer.flush()

    def progress(self, done: float, text: str) -> None:
        """Hands it on."""
        self._listener.progress(done, text)

    def warn(self, text: str) -> None:
        """Hands it on."""
        self._listener.warn(text)

    def trial(self, trial: Trial) -> None:
        """A point of every metric at the trial's number."""
        self._points("trial", trial.number, {**trial.metrics, "seconds": trial.seconds})
        self._listener.trial(trial)

    def epoch(self, name: str, row: Mapping[str, float]) -> None:
        """A point of every figure of an epoch of the training `name`."""
        figures = {key: value for key, value in row.items() if key != "epoch"}
        self._points(name, int(row["epoch"]), figures)
        if isinstance(self._listener, HearsEpochs):
            self._listener.epoch(name, row)

    def _points(self, group: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(f"{group}/{name}", value, step)
        self._writer.flush()


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted key -> value; what is no number, word or truth value as text."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}.")
        elif value is not None:
            plain = isinstance(value, (bool, int, float, str))
            found[f"{above}{key}"] = value if plain else str(value)
    return found
