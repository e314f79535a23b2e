"""Shared weights that another run has trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nascli.core.fault import Fault
from nascli.core.supernet import SharedWeights
from nascli.core.words import counted
from nascli.runs.folder import Run


def load(shared: SharedWeights, folder: Path) -> str:
    """Puts the weights of a search's last checkpoint into the supernet; says which those are.

    Raises:
        Fault: there are none, or they do not fit.
    """
    state = Run(folder).load_state("strategy", "trials")
    weights = _found("supernet", state)
    if weights is None:
        raise Fault(
            f"'{folder}' holds no shared weights (supernet in state.pt); nas search strategy=darts "
            "or estimator=one_shot saves them once it has run for some seconds"
        )
    try:
        shared.supernet.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise Fault(f"the shared weights in '{folder}' do not fit the space: {error}") from error
    assert state is not None
    return f"shared weights as they were after {counted(state['trials'], 'trial')} of {folder}"


def _found(key: str, node: object) -> Any:
    """The first value of `key` in nested mappings and lists; None if there is none."""
    if isinstance(node, Mapping) and key in node:
        return node[key]
    below = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return next((found for value in below if (found := _found(key, value)) is not None), None)
