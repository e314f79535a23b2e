"""What the page of a retraining shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nascli.core.trial import Trial
from nascli.programs.baselines import SCORES
from nascli.programs.networks import layers_of
from nascli.report import baselines as words
from nascli.report import contents, curves
from nascli.report.page import Content
from nascli.report.trials import table
from nascli.runs.folder import Run

if TYPE_CHECKING:
    from nascli.programs.retrain import Parts


def content(run: Run, parts: Parts, report: Mapping[str, Any], trials: Sequence[Trial]) -> Content:
    """Of `trials`, in the order of the trainings, whose report is `report`."""
    this = f"genotype={run.path}"
    then = [
        ("take the network away:", parts.then("export", this, "format=onnx")),
        ("let it look at images:", parts.then("predict", this, "images=[IMAGE]")),
    ]
    if parts.networks.alone:
        more = parts.then("retrain", this, "seeds=3", "baselines=[random]")
        then.insert(0, ("find out whether it is better than random ones of its size:", more))
    layers = layers_of(parts.problem, parts.genotype)
    drawn = words.figures(report.get("networks", ()))
    return Content(
        report,
        {**drawn, **curves.training(report["epochs"]), **contents.latencies(layers)},
        **contents.drawn_twice(parts.problem.space, parts.genotype),
        config=parts.settings,
        trials=None if parts.networks.alone else table(trials, SCORES),
        layers=layers,
        then=then,
        notes=["the test split is read once, when a training is over; no choice was made by it"],
    )
