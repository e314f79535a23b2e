"""Writes a trained network to a file that runs without this package, and tries the file out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nascli.core.listener import Listener
from nascli.data.task import Task
from nascli.formats.deployed import Deployed, answers
from nascli.formats.format import Answers, Exported, Format
from nascli.programs.quantised import accuracies, calibration
from nascli.programs.trained import Trained
from nascli.runs import card as cards
from nascli.runs.folder import REPORT, Run

_BATCHES = (1, 7)  # sizes of random batches that are compared


@dataclass(frozen=True)
class Parts:
    """A network and the format to write it in; `task` is None where its data are not at hand."""

    trained: Trained
    format: Format
    task: Task | None
    listener: Listener


@dataclass(frozen=True)
class Outcome:
    """The file, and how its answers compare with the network's own."""

    file: Path
    files: Sequence[str]
    report: Mapping[str, Any]


def export(run: Run, parts: Parts) -> Outcome:
    """Writes the file, loads it back and compares; also writes report.json and network.json.

    Raises:
        Fault: the format cannot hold the network.
        RuntimeError: the file answers otherwise than the network.
    """
    trained, network = parts.trained, parts.trained.deployed()
    file = run.path / f"network{parts.format.suffix}"
    loaded = parts.format.write(Exported(network, trained.card, _some(parts)), file)
    difference = max(_difference(network, loaded, _random(trained, n)) for n in _BATCHES)
    if not difference <= parts.format.tolerance:
        raise RuntimeError(
            f"'{file}' answers otherwise than the network: logits differ by {difference:.2g} of "
            f"the largest, and {parts.format.tolerance:g} is allowed"
        )
    files = sorted(f.name for f in run.path.glob("network.*") if f.suffix != ".json")
    report: dict[str, Any] = {
        "verb": "export",
        "file": file.name,
        "bytes": sum((run.path / name).stat().st_size for name in files),
        "genotype": trained.genotype.to_json(),
        "description": trained.card.description,
        "difference": difference,
        "costs": dict(trained.card.costs),
    }
    if parts.task is not None:
        test = parts.task.split("test")
        report["images"] = len(test)
        report["accuracy"], report["network_accuracy"] = accuracies(network, loaded, test)
    run.write_json(cards.FILE, trained.card.to_json())
    run.write_json(REPORT, report)
    return Outcome(file, files, report)


def _some(parts: Parts) -> Tensor:
    """Images to calibrate by: of the training split, or random ones where there is none."""
    if parts.task is None:
        return _random(parts.trained, 2)
    return calibration(parts.task)


def _random(trained: Trained, number: int) -> Tensor:
    """Images (number, C, H, W) of noise around the mean, the same every time."""
    generator = torch.Generator().manual_seed(number)
    shape = (number, *trained.card.input_shape)
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (trained.card.mean, trained.card.std))
    return mean + std * torch.randn(shape, generator=generator)


def _difference(network: Deployed, loaded: Answers, images: Tensor) -> float:
    """The largest difference of two logits, as a share of the largest logit."""
    own, other = answers(network, images), loaded(images)
    if own.shape != other.shape:
        raise RuntimeError(f"the file gives logits {tuple(other.shape)}, not {tuple(own.shape)}")
    return float((own - other).abs().max() / own.abs().max())
