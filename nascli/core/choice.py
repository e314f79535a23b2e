"""Choices: the places of a supernet where options compete; no torch."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "none"
"""The option that yields zeros; it is not computed, and networks leave its edge out."""

SKIP = "skip_connect"
"""The option that passes its input on."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A place where options compete; `group` names the kind of cell or stage that it is of."""

    name: str
    group: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edge(Choice):
    """A choice between two states of a cell, given by their numbers; a state sums its edges."""

    source: int
    target: int
