"""`nas search`: the search with what a person sees of it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nascli import ui
from nascli.commands.interrupts import stoppable
from nascli.config import own_data, values
from nascli.config import search as config
from nascli.config.compose import Asked
from nascli.config.feasibility import Table
from nascli.core.failures import words as kinds_in_words
from nascli.core.space import size
from nascli.core.traits import traits_of
from nascli.core.trial import Trial
from nascli.core.words import counted
from nascli.programs import forecast, images
from nascli.programs import search as program
from nascli.programs.forecast import Forecast
from nascli.report import contents, latency_words
from nascli.report.units import readable, words
from nascli.runs.folder import Run

_BOUND_THAT = ": deploy={training: RECIPE} bounds that one"
_SHOWN = 20  # rows of a front on the screen
_SAID = re.compile(r"^epoch \d+/\d+(, )?")  # what stands before the bar already


def main(asked: Asked) -> None:
    """Searches, or goes on with a search; prints the folder's path.

    Raises:
        Fault: the input is wrong, or the disk takes no more.
        KeyboardInterrupt: the user has stopped it; everything is saved.
    """
    listener = ui.Heard()
    run, parts = config.begin(asked, listener, _show)
    outputs = parts.settings["outputs"]
    with ui.logging_to(run):
        with stoppable(asked, run.path):
            expected = _forecast(asked, parts)
        with _Display(parts, expected) as display, stoppable(asked, run.path):
            listener.step, listener.ended = display.step, display.trial
            report = program.search(run, parts)
        one = f"genotype={run.path / program.FRONT}/TRIAL.json"
        _say_front(report, asked.then("retrain", one, outputs=outputs))
        _say(asked, run, report, parts)
        if "trust" in report:
            ui.say(report["trust"]["description"])
        if parts.shared is not None and parts.shared.trainer != "strategy":
            trust = ("estimator=one_shot", "reference=train", "networks=20")
            supernet = f"supernet={_near(asked.config.get('supernet') or run.path)}"
            ui.say(f"trust:  {asked.then('audit', supernet, *trust, outputs=outputs)}")
        retrain = (f"genotype={run.path}", *program.deployed(parts))
        ui.say(f"next:   {asked.then('retrain', *retrain, outputs=outputs)}")
        if "download" in parts.settings["data"] and not images.were_read(parts.problem):
            ui.say(images.wanted(parts.problem.task.name))
    ui.path(run.path)


def _forecast(asked: Asked, parts: program.Parts) -> Forecast | None:
    """What the search will take, said; None where that is not known beforehand."""
    apart = traits_of(values.made_by(asked.config, "workers")).own_processes
    if apart or asked.config.get("resume"):
        return None
    short = partial(config.short, asked)
    found = forecast.tried(lambda: forecast.search(parts, short, _most(parts)), parts)
    if found is not None:
        ui.say(forecast.words(found, traits_of(parts.strategy).unit))
    return found


def _near(path: Path | str) -> Path:
    """A path as one would type it here."""
    whole = Path(path)
    here = Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def _show(costs: Table) -> None:
    """What networks cost."""
    ui.table(costs.title, costs.header, costs.rows)
    if costs.note:
        ui.say(costs.note)


def _say_front(report: Mapping[str, Any], command: str) -> None:
    """The front as a table, and the command that takes one of its genotypes."""
    if "front" not in report:
        return
    rows, metrics = report["front"], list(report["problem"]["objectives"])
    shown = rows if len(rows) <= _SHOWN else rows[:: math.ceil(len(rows) / _SHOWN)]
    lines = [[str(row["trial"]), *(readable(m, row[m]) for m in metrics)] for row in shown]
    title = f"front: {counted(len(rows), 'genotype')} that no other one beats in all objectives"
    ui.table(title, ["trial", *map(words, metrics)], lines)
    ui.say(f"each is a genotype of its own: {command}")
    ui.say(f"hypervolume {report['hypervolume']:.4f}; best in {words(metrics[0])}:")


def _say(asked: Asked, run: Run, report: Mapping[str, Any], parts: program.Parts) -> None:
    """The answer, what it costs and what to do next."""
    ui.say(report["description"])
    values = {**report["result"], **report["costs"], **report["final"], **report["effort"]}
    rows = [[words(name), readable(name, v)] for name, v in values.items()]
    ui.table(f"network for {report['problem']['networks']}", ("", ""), rows)
    for line in contents.smaller(parts.problem):
        ui.say(line)
    for metric, bound in report["problem"]["constraints"].items():
        if metric in report["costs"]:
            value = readable(metric, report["costs"][metric])
            above = metric == "latency_ms" and latency_words.above(report)
            kept = "is kept, but not as measured now" if above else "is kept"
            ui.say(f"constraints.{metric} {kept}: {value} of {readable(metric, bound)}")
    sized = parts.problem.space.name in (parts.settings["training"].get("network") or {})
    if report["problem"]["constraints"] and sized and parts.problem.deployed is None:
        ui.say(
            "the bounds are of the network at the size searched, and a recipe of nas retrain may "
            "make it larger" + _BOUND_THAT * (not own_data.apart(asked.config))
        )
    for line in latency_words.beside(report):
        ui.say(line)
    trials, failures = report["trials"], report["failures"]
    again = f" and {counted(trials['repeats'], 'repeat')}" if trials["repeats"] else ""
    broke = f" ({trials['infeasible']:,} broke a constraint)" if trials["infeasible"] else ""
    ended = f"{counted(trials['all'], report['unit'])}{broke}{again}"
    ui.say(f"ended after {ended}: {report['ended']}")
    if failures:
        ui.say(f"failed: {kinds_in_words(failures)}")
    for meaning in program.meanings(parts):
        ui.say(meaning)
    ui.say(f"report: {run.path / 'report.html'}")


class _Display:
    """What the person sees while the search goes on."""

    def __init__(self, parts: program.Parts, expected: Forecast | None = None) -> None:
        self._parts, self._expected = parts, expected
        trainer = parts.shared.trainer if parts.shared is not None else None
        self._done, self._prepared, self._after = 0.0, 0.0, 0.0
        self._start = time.monotonic()
        self._total, self._unit = _most(parts), traits_of(parts.strategy).unit
        # Until the first trial has ended: what comes before it may be long, as screening is.
        self._preparing = trainer == "estimator" or (expected is None and self._unit == "trial")
        self._best: Trial | None = None
        self._rank = (0.0, math.inf)  # of the best
        self._failed = 0
        self._step = ""

    def __enter__(self) -> _Display:
        budget = self._parts.budget
        ends = math.inf if budget.seconds is None else budget.seconds
        self._bar = ui.Progress(
            self._unit, self._total, ends=lambda: ends - budget.elapsed, left=self._left
        )
        self._bar.__enter__()
        return self

    def __exit__(self, *caught: object) -> None:
        self._bar.__exit__(*caught)

    def step(self, done: float, text: str) -> None:
        """How far a long proposal is."""
        self._step = _SAID.sub("", text) if self._unit == "epoch" else text
        if self._preparing:
            self._prepared, done = done, 0.0
        used, done = self._parts.budget.used, min(done, 0.99)
        over = self._total is not None and used >= self._total
        self._after, self._done = (done, used) if over else (0.0, used + done)
        self._bar.update(min(self._done, self._total or self._done), self._text)

    def _left(self) -> float | None:
        """Seconds that are left by the forecast; None without one."""
        if self._expected is None:
            return None
        before = self._prepared if self._preparing else 1.0
        elapsed = time.monotonic() - self._start
        return self._expected.left(elapsed, self._done, before, self._after)

    def trial(self, trial: Trial) -> None:
        """One more has ended."""
        rank = -trial.fidelity, self._parts.problem.goal.loss(trial)
        if rank[1] < math.inf and (self._best is None or rank < self._rank):
            self._best, self._rank = trial, rank
        self._failed += trial.error is not None
        self._done = self._parts.budget.used
        if self._unit == "trial":
            self._step = ""  # its last words are of what this trial did, or of the preparation
        if self._preparing:
            self._preparing = False
            self._bar.begin(self._done)
        self._bar.update(self._done, self._text)

    def _text(self) -> str:
        metric = self._parts.problem.goal.objectives[0].metric
        words = [self._step] if self._step else []
        if self._best is not None and metric in self._best.metrics:
            words.append(f"best {metric} {readable(metric, self._best.metrics[metric])}")
            words += [_cost(self._best.metrics)] if "params" in self._best.metrics else []
        words += [f"{self._failed} failed"] if self._failed else []
        return ", ".join(words)


def _most(parts: program.Parts) -> int | None:
    """How many full trials there will be at most."""
    strategy, estimator = traits_of(parts.strategy), traits_of(parts.estimators[-1])
    limits = [parts.budget.trials, strategy.trials]
    if parts.budget.repeats and estimator.repeatable and not strategy.weight_sharing:
        limits.append(size(parts.problem.space))
    return min((limit for limit in limits if limit is not None), default=None)


def _cost(metrics: Mapping[str, float]) -> str:
    """The costs in a few characters."""
    text = f"{readable('params', metrics['params'])} params"
    if "latency_ms" in metrics:
        text += f", {readable('latency_ms', metrics['latency_ms'])}"
    return text
