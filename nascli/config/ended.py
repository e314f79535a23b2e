"""A run that is to be resumed and has ended already: it is left as it is."""

from __future__ import annotations

from pathlib import Path

from nascli.config import recorded
from nascli.config.compose import Asked
from nascli.config.overrides import key_of
from nascli.core import history_file
from nascli.core.fault import Fault
from nascli.core.words import command
from nascli.runs import reading
from nascli.runs.folder import CONFIG, ENVIRONMENT, HISTORY, PAGE, STATE, WEIGHTS

_ENDS = ("budget.", "all ", "the one genotype ", "the strategy ")  # the loop's reasons begin so
_SAME = ("resume", "outputs", "logger")  # keys that ask for nothing more of a run


def already(asked: Asked) -> tuple[Path, str] | None:
    """The folder and what to say of it; None where there is something to do, or something wrong.

    A run has ended when its page, the last that is written, is there and nothing is on record that
    came later. A budget, or anything else that the command line changes, asks for more. One that a
    fault has stopped has not ended, nor has a retraining of which something is to be trained again.
    """
    keys = [key_of(text) for text in asked.overrides]
    if not asked.config.get("resume") or not set(keys) <= set(_SAME):
        return None
    path = Path(str(asked.config.resume))
    page, others = path / PAGE, [path / name for name in (HISTORY, STATE, CONFIG, ENVIRONMENT)]
    if not others[0].is_file():  # it lists what is known at once
        return None
    try:
        written = page.stat().st_mtime_ns
        if any(file.stat().st_mtime_ns > written for file in others if file.is_file()):
            return None
        report, verb = reading.report(path), recorded.verb_of(reading.config(path))
        again = verb == "retrain" and _lacking(path)
    except (Fault, OSError):  # which is told when the run is opened
        return None
    if report is None or verb != asked.verb or ("genotype" in report and not report["genotype"]):
        return None
    reason = str(report.get("ended") or "")
    if again or (reason and not reason.startswith(_ENDS)):
        return None
    said = f"nas {verb}: {path} has ended already"
    said += f" ({reason}); it is left as it is" if reason else "; it is left as it is"
    if reason.startswith("budget."):
        more = command(verb, f"resume={path}", f"{reason.partition('=')[0]}=MORE")
        said += f"\nto go on with it: {more}"
    return path, f"{said}\nreport: {page}"


def _lacking(path: Path) -> bool:
    """Whether a training has failed, or the weights that it gave are gone."""
    failed = any(entry.trial.error is not None for entry in history_file.read(path / HISTORY))
    return failed or not (path / WEIGHTS).is_file()
