"""The loop in its run folder: what is on record is taken back, what ends is written down."""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nascli.core import plain
from nascli.core.budget import OutOfTime
from nascli.core.estimator import Prepared, Stateful
from nascli.core.evaluation import Judging
from nascli.core.fault import Fault, Stopped
from nascli.core.genotype import Genotype
from nascli.core.goal import Goal
from nascli.core.loop import Search
from nascli.core.space import SearchSpace, check
from nascli.core.traits import traits_of
from nascli.core.trial import Open, Trial
from nascli.core.words import counted
from nascli.core.workers import Evaluate, Workers
from nascli.runs.folder import HISTORY, Checkpoint, Run

Hire = Callable[[Evaluate, Path], Workers]
"""An evaluation in this process, and the run's folder -> the workers of a program."""


def kept_by(run: Run) -> Callable[[int, Exception], None]:
    """What writes the traceback of a failed trial into the run's log."""

    def keep(number: int, error: Exception) -> None:
        text = "".join(traceback.format_exception(error))
        run.log(f"trial {number} failed:\n{text}")

    return keep


def looped(
    run: Run,
    search: Search,
    *,
    keep: Callable[[Trial], bool] = lambda _trial: True,
    older: Callable[[dict[str, Any]], dict[str, Any]] = lambda state: state,
    budgeted: bool = True,
    spaces: Sequence[SearchSpace] = (),
    on_record: Callable[[Trial], None] = lambda _trial: None,
) -> Genotype | None:
    """Runs the loop to its end, from wherever the run folder says that it stands.

    The listener hears of every trial once, those on record included.

    Args:
        run: where trials are read and written, and state.pt.
        search: which has not begun.
        keep: which of the trials on record count; the others are taken up again.
        older: makes of an older version's state.pt what this one writes.
        budgeted: whether a line of the history says what was used of the budget by then.
        spaces: whose genotypes there may be besides those of the problem's.
        on_record: called with every new trial once it is on record.

    Returns:
        What the strategy recommends.

    Raises:
        Fault: what is on record does not belong to this search, or the disk takes no more.
        Stopped: it cannot go on from where it is, which is saved.
        OutOfTime: the seconds of the budget are over; where it stands is saved.
    """
    listener, budget = search.evaluation.problem.listener, search.budget
    state = run.load_state("trials", "strategy", "open", "number", older=older)
    waiting: dict[int, Open] = {}
    if state is not None:
        waiting = _belonging(run.path, lambda: _checked(state))
        _restore_estimators(search.evaluation, state, run.path)
    lines = run.history()
    search.recorded = {trial.number: trial for trial in lines if keep(trial)}
    recorded = list(search.recorded.values())
    for trial in recorded:
        _check_measured(trial, search.evaluation.problem.goal, run.path)
    if state is not None and len(recorded) == len(lines):  # or else it counts trials that are gone
        _restore(search, state, waiting, recorded, run.path, spaces)
    worked = sum(trial.seconds for trial in recorded)
    budget.start(max(worked, state.get("seconds", 0.0) if state else 0.0))
    if recorded:
        listener.warn(f"resuming after {counted(len(recorded), search.what.removesuffix('s'))}")
    for trial in search.history:
        listener.trial(trial)
    remaining = set(search.recorded)
    checkpoint = Checkpoint(run)

    def state_now(*, whole: bool = False) -> dict[str, Any]:
        return {
            "whole": whole,  # whether the strategy has come to its end, and what it trains with it
            "trials": len(search.history),
            "number": search.number,
            "open": {number: waiting.to_json() for number, waiting in search.open.items()},
            "strategy": search.strategy.state_dict(),
            "estimators": _states(search.evaluation),
            "seconds": budget.elapsed,
            "asking": search.asking,
        }

    def ended(trial: Trial) -> None:
        if trial.number in remaining:
            remaining.discard(trial.number)
        elif budgeted:
            run.append(trial, used=round(budget.used, 6), elapsed=round(budget.elapsed, 6))
        else:
            run.append(trial)
        on_record(trial)
        checkpoint.maybe(state_now)
        listener.trial(trial)

    try:
        for estimator in search.evaluation.estimators:
            if isinstance(estimator, Prepared):
                estimator.prepare(lambda: run.save_state(state_now()))
        answer = search.run(ended)
    except (OutOfTime, Stopped):
        if "torch" in sys.modules:  # or else there is nothing that is not in the history
            run.save_state(state_now())
        raise
    if traits_of(search.strategy).weight_sharing:  # later runs may use what it has trained
        run.save_state(state_now(whole=search.exhausted))
    return answer


def _states(evaluation: Judging) -> list[dict[str, Any] | None]:
    """The state of every estimator; None for those that have none."""
    parts = evaluation.estimators
    return [part.state_dict() if isinstance(part, Stateful) else None for part in parts]


def _check_measured(trial: Trial, goal: Goal, path: Path) -> None:
    """Raises a Fault for a good trial on record that lacks what good ones are told apart by."""
    if trial.error is not None or trial.infeasible is not None:
        return
    metrics = trial.metrics
    for objective in goal.objectives:
        if not math.isfinite(metrics.get(objective.metric, math.nan)):
            raise Fault(
                f"trial {trial.number} in '{path / HISTORY}' is damaged: {objective.metric} is "
                f"{metrics.get(objective.metric, 'missing')}"
            )
    for metric in goal.scalarisation.metrics if goal.scalarisation is not None else ():
        if metric not in metrics:
            raise Fault(
                f"trial {trial.number} in '{path / HISTORY}' is damaged: {metric} is missing"
            )


def _checked(state: dict[str, Any]) -> dict[int, Open]:
    """The proposals that are waited for, once all else of a checkpoint is of its kind too.

    Raises:
        Fault: something is not.
    """
    plain.whole(state, "number")
    for key in {"seconds", "asking"} & state.keys():
        plain.amount(state, key)
    kept = state.get("estimators", [])
    if not isinstance(kept, list) or not all(isinstance(k, (dict, type(None))) for k in kept):
        raise Fault(f"estimators is {kept!r:.80}; it must be a list of what each one keeps")
    if not isinstance(state["strategy"], dict) or not isinstance(state["open"], dict):
        raise Fault("strategy and open must be mappings")
    for number in state["open"]:
        plain.whole({"the number of a proposal": number}, "the number of a proposal")
    return {number: Open.from_json(data) for number, data in state["open"].items()}


def _restore_estimators(evaluation: Judging, state: dict[str, Any], path: Path) -> None:
    """Whether or not the history is whole."""
    for estimator, kept in zip(evaluation.estimators, state.get("estimators", ()), strict=False):
        if isinstance(estimator, Stateful) and kept is not None:
            _belonging(path, partial(estimator.load_state_dict, kept))


def _restore(
    search: Search,
    state: dict[str, Any],
    waiting: dict[int, Open],
    recorded: list[Trial],
    path: Path,
    spaces: Sequence[SearchSpace],
) -> None:
    """Puts the search back to the checkpoint."""
    told = state["trials"]
    if type(told) is not int or not 0 <= told <= len(recorded):
        warn = search.evaluation.problem.listener.warn
        warn(f"the history has lost trials that state.pt knows of ({len(recorded)} of {told}):")
        warn("leaving state.pt aside and taking the search's steps again from the start")
        return
    own = search.evaluation.problem.space
    named = {space.name: space for space in (*spaces, own)}

    def known(genotype: Genotype) -> Genotype:
        return check(named.get(genotype.space, own), genotype)

    for trial in recorded[:told]:
        known(trial.genotype)
    for proposal in waiting.values():
        _belonging(path, partial(known, proposal.proposal.genotype))
    search.recorded = {trial.number: trial for trial in recorded[told:]}
    search.asking = state.get("asking", 0.0)
    search.restore(recorded[:told], waiting, state["number"])
    _belonging(path, lambda: search.strategy.load_state_dict(state["strategy"]))


T = TypeVar("T")


def _belonging(path: Path, load: Callable[[], T]) -> T:
    """What `load` makes of a part of state.pt, which may hold anything at all."""
    try:
        return load()
    except Exception as error:  # whatever its first use with something else than it expects raises
        text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise Fault(
            f"state.pt in '{path}' does not belong to this search ({text}); "
            "delete it to resume from the history alone"
        ) from error
