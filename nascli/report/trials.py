"""All trials as columns: what the table of a page is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nascli.core.trial import Trial
from nascli.report.units import words


def table(
    trials: Sequence[Trial],
    first: Sequence[str] = (),
    drawings: Mapping[int, str] | None = None,
    told: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Columns by their names, each with a value a trial.

    - `metrics`: name, words and values (None where there is none), `first` first
    - `number`, `fidelity`, `seconds`, `state` ("" for a good one, or why not)
    - `spaces`: per space its name, decisions and their options; `space` is the place of a trial's
      in there, `genotype` the places of its options
    - `drawings`: number of a trial -> HTML; `told`: number -> its genotype in words
    """
    known = dict.fromkeys(name for trial in trials for name in trial.metrics)
    names = [*(name for name in first if name in known), *(n for n in known if n not in first)]
    spaces: dict[tuple[str, tuple[str, ...]], list[dict[str, int]]] = {}
    places, genotypes = [], []
    for trial in trials:
        genotype = trial.genotype
        options = spaces.setdefault(
            (genotype.space, genotype.decisions), [{} for _ in genotype.decisions]
        )
        places.append(list(spaces).index((genotype.space, genotype.decisions)))
        genotypes.append(
            [
                seen.setdefault(o, len(seen))
                for seen, o in zip(options, genotype.options, strict=True)
            ]
        )
    return {
        "metrics": [_column(name, [trial.metrics.get(name) for trial in trials]) for name in names],
        "number": [trial.number for trial in trials],
        "fidelity": [_rounded(trial.fidelity) for trial in trials],
        "seconds": [_rounded(trial.seconds) for trial in trials],
        "state": [trial.error or trial.infeasible or "" for trial in trials],
        "spaces": [
            {"name": name, "decisions": decisions, "options": [list(seen) for seen in options]}
            for (name, decisions), options in spaces.items()
        ],
        "space": places,
        "genotype": genotypes,
        "drawings": drawings or {},
        "told": told or {},
    }


def _column(name: str, values: Sequence[float | None]) -> dict[str, Any]:
    """One metric; the page writes the unit with every value."""
    return {"name": name, "words": words(name), "values": [_rounded(value) for value in values]}


def _rounded(value: float | None) -> float | None:
    """To the digits that a reader may want; None for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.6g}")
