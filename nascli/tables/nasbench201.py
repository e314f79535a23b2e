"""The shipped table of NAS-Bench-201: a row for each of its 15,625 cells."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

_LATENCY = "latency_ms_"
SIZES = {"channels": 16, "cells_per_stage": 5}  # of the published networks


class Rows:
    """Finds rows by the options of the six edges, and columns by name.

    `operations` are the five options, `settings` the names of the devices' settings.
    """

    def __init__(self) -> None:
        import numpy as np

        with resources.files("nascli.tables").joinpath("nasbench201.npz").open("rb") as file:
            self._arrays = np.load(io.BytesIO(file.read()), allow_pickle=False)
        self.operations = tuple(map(str, self._arrays["operations"]))
        names = [n.removeprefix(_LATENCY) for n in self._arrays.files if n.startswith(_LATENCY)]
        self.settings = tuple(sorted(names))
        self._digit = {name: digit for digit, name in enumerate(self.operations)}
        codes = self._arrays["cells"].astype(int) @ (5 ** np.arange(6))
        self._number = dict(zip(codes.tolist(), range(len(codes)), strict=True))

    def holds(self, decisions: Mapping[str, Sequence[str]]) -> bool:
        """Whether a space's decisions are the benchmark's: six edges with its five operations."""
        return [tuple(options) for options in decisions.values()] == [self.operations] * 6

    def cells(self) -> list[tuple[str, ...]]:
        """The options of every row's cell."""
        names = self.operations
        return [tuple(names[digit] for digit in cell) for cell in self._arrays["cells"].tolist()]

    def column(self, name: str) -> list[float]:
        """A value for every row."""
        column: list[float] = self._arrays[name].tolist()
        return column

    def latencies(self, setting: str) -> list[float]:
        """Milliseconds of every row on one of `settings`."""
        return self.column(_LATENCY + setting)

    def number(self, options: Sequence[str]) -> int:
        """The row of the cell with these options, in the order of the space's edges."""
        code = 0
        for option in reversed(options):
            code = code * 5 + self._digit[option]
        return int(self._number[code])


@cache
def shipped() -> Rows:
    """The table, read once."""
    return Rows()
