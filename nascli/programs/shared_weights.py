"""Shared weights that another run has trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nascli.core.fault import Fault
from nascli.core.supernet import SharedWeights
from nascli.core.words import command, counted
from nascli.runs import reading
from nascli.runs.folder import Run

_REMEDY = "the shared weights are in it: take a copy, or another run's, or train them again"


def load(shared: SharedWeights, folder: Path, *, trained: bool = False) -> str:
    """Puts the weights of a search's last checkpoint into the supernet; says which those are.

    Raises:
        Fault: there are none, they do not fit, or they are to be `trained` to the end and are not.
    """
    if not folder.is_dir():
        raise Fault(f"the shared weights of '{folder}' are gone: there is no such folder any more")
    state = Run(folder).load_state("strategy", "trials", remedy=_REMEDY)
    weights = _found("supernet", state)
    if weights is None:
        raise Fault(
            f"'{folder}' holds no shared weights (supernet in state.pt); nas search strategy=darts "
            "or estimator=one_shot saves them once it has run for some seconds"
        )
    assert state is not None
    lacking = _lacking(folder, state)
    if trained and lacking:
        raise Fault(lacking)
    try:
        shared.supernet.load_state_dict(weights)
    except Exception as error:  # of whatever kind, for anything may stand there
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip().rstrip(".")
        raise Fault(
            f"the shared weights in '{folder}' do not fit the space: {reason}; were they trained "
            "for another space, other images, or by another version?"
        ) from error
    if not lacking:
        return f"shared weights of {folder}, trained to the end"
    return f"shared weights as they were after {counted(state['trials'], 'trial')} of {folder}"


def _lacking(folder: Path, state: Mapping[str, Any]) -> str:
    """Says that whoever trains the weights has not come to the end; empty if it has."""
    kept = [part for part in state.get("estimators", ()) if isinstance(part, Mapping)]
    under_way = next((part for part in kept if "optimizer" in part), None)
    by_strategy = _found("supernet", state["strategy"]) is not None
    report = reading.report(folder)
    if under_way is None and (not by_strategy or state.get("whole", report is not None)):
        return ""
    epochs = "" if under_way is None else f" after {counted(under_way.get('epoch', 0), 'epoch')}"
    limit, _, used = str((report or {}).get("ended")).partition("=")
    more = [f"{limit}=MORE"] if used else []
    return (
        f"the supernet in '{folder}' is not trained to the end: its search stands{epochs}; go on "
        f"with: {command('search', f'resume={folder}', *more)}"
    )


def _found(key: str, node: object) -> Any:
    """The first value of `key` in nested mappings and lists; None if there is none."""
    if isinstance(node, Mapping) and key in node:
        return node[key]
    below = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return next((found for value in below if (found := _found(key, value)) is not None), None)
