"""The jobs of one multirun, in the order in which Hydra's own sweeper takes them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def jobs(overrides: Sequence[str]) -> list[str]:
    """What is particular to each job, such as "strategy=random seed=1"; [] where it is not known.

    It is not with another sweeper than Hydra's own, and for patterns (glob) and ranges of its.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if any(override.lstrip("+").startswith("hydra/") for override in overrides):
        return []
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        sweeps = {
            override.get_key_element(): [
                f"{override.get_key_element()}={value}"
                for value in override.sweep_string_iterator()
            ]
            for override in parsed
            if override.is_sweep_override()
        }
    except (HydraException, AssertionError, AttributeError, TypeError):
        return []
    return [" ".join(job) for job in itertools.product(*sweeps.values())] if sweeps else []


class Progress:
    """How far a multirun is, in words."""

    def __init__(self, overrides: Sequence[str]) -> None:
        self._jobs = jobs(overrides)
        self._codes: list[int] = []

    def begins(self) -> str:
        """Which job comes next; "" where that is not known."""
        number, total = len(self._codes) + 1, len(self._jobs)
        return f"[{number}/{total}] {self._jobs[number - 1]}" if number <= total else ""

    def ended(self, code: int) -> None:
        """The job that has begun last is over."""
        self._codes.append(code)

    def left(self) -> list[str]:
        """What did not succeed and what never began, a line each."""
        ended = list(zip(self._jobs, self._codes, strict=False))
        kinds = {
            "failed": [job for job, code in ended if code not in (0, 130)],
            "interrupted": [job for job, code in ended if code == 130],
            "never began": self._jobs[len(self._codes) :],
        }
        return [f"{what}: {'; '.join(some)}" for what, some in kinds.items() if some]
