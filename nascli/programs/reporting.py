"""The report that every program leaves in its run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nascli.report import canvas
from nascli.report.chart import Bars
from nascli.report.page import Content, page
from nascli.runs import reading
from nascli.runs.folder import PAGE, REPORT, Run

_PLOTS = 4  # in one file

Then = Callable[..., str]
"""`then(verb, *words)`: the command line of `nas verb` for what came of a run."""


def deployed(settings: Mapping[str, Any]) -> list[str]:
    """What a retraining is told so that its network has the size of the settings' `deploy`."""
    sizes = dict(settings.get("deploy") or {})
    side, recipe = sizes.pop("image", None), sizes.pop("training", None)
    words = [f"training={recipe}"] if recipe else []
    words += [f"space.{name}={value}" for name, value in sizes.items()]
    if side and "image_size" in settings["data"]:
        words.append(f"data.image_size={side}")
    return words


def write_report(run: Run, content: Content) -> None:
    """Writes report.json, figures/*.svg (those of few plots), and last of all report.html."""
    run.write_json(REPORT, content.report)
    for name, drawing in content.drawings.items():
        run.write(f"figures/{name}.svg", drawing)
    for name, figure in content.figures.items():
        if isinstance(figure, Bars) or len(figure) <= _PLOTS:  # more have no room side by side
            run.write(f"figures/{name}.svg", canvas.svg(figure))
    environment = reading.environment(run.place)
    run.write(PAGE, page(replace(content, environment=environment)))
