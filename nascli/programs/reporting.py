"""The report that every program leaves in its run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nascli.report import page
from nascli.runs import reading
from nascli.runs.folder import REPORT, Run


def write_report(
    run: Run, report: Mapping[str, Any], drawn: Mapping[str, str], settings: Mapping[str, Any]
) -> None:
    """Writes report.json, report.html and figures/*.svg; `settings` is the config as plain data."""
    run.write_json(REPORT, report)
    for name, figure in drawn.items():
        run.write(f"figures/{name}.svg", figure)
    whole = {**report, "config": settings, "environment": reading.environment(run.place)}
    run.write("report.html", page.page(whole, drawn))
