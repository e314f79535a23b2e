"""What `nas watch` makes of the config of a search that is still going on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nascli.config import building, recorded
from nascli.core.problem import Problem


def recorded_search(folder: Path, directories: Sequence[Path] = ()) -> Problem:
    """The problem of the search in a run folder.

    Raises:
        Fault: its config is damaged, or asks for what is not here.
    """
    config, faults = recorded.load(folder, directories), building.Faults()
    problem = building.problem(config, faults)
    faults.check()
    assert problem is not None
    return problem
