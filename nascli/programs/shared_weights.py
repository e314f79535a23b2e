"""Shared weights that another run has trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.runs.folder import Run


def load(problem: Problem, folder: Path) -> None:
    """Puts the weights of a gradient search's last checkpoint into the problem's supernet.

    Raises:
        Fault: there are none, or they do not fit.
    """
    state = Run(folder).load_state("strategy", "trials")
    weights = _found("supernet", state)
    if weights is None:
        raise Fault(
            f"'{folder}' holds no shared weights (supernet in state.pt); nas search strategy=darts "
            "saves them once it has run for some seconds"
        )
    try:
        problem.supernet.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise Fault(f"the shared weights in '{folder}' do not fit the space: {error}") from error
    assert state is not None
    problem.listener.warn(f"shared weights as they were after {state['trials']} trials of {folder}")


def _found(key: str, node: object) -> Any:
    """The first value of `key` in nested mappings; None if there is none."""
    if not isinstance(node, Mapping):
        return None
    deeper = (_found(key, value) for value in node.values())
    return node[key] if key in node else next((f for f in deeper if f is not None), None)
