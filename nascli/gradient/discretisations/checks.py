"""Which values discretisations take; looked at without torch, and by their constructors.

A function has the name of the module whose component it is about, and the names of its settings.
"""

from __future__ import annotations

from nascli.core.fault import Fault


def best_path(candidates: int) -> None:
    """Raises a Fault for no candidates."""
    if candidates < 1:
        raise Fault(f"strategy.discretisation.candidates is {candidates}; it must be at least 1")


def perturbed(tuning: float, rule: int) -> None:
    """Raises a Fault for a share below 0, or an unknown rule."""
    if not tuning >= 0:
        raise Fault(f"strategy.discretisation.tuning is {tuning}; it must be at least 0")
    if rule not in (1, 2):
        raise Fault(f"strategy.discretisation.rule is {rule}; it must be 1 or 2")


def skip_limit(most: int) -> None:
    """Raises a Fault for a number below 0."""
    if most < 0:
        raise Fault(f"strategy.discretisation.most is {most}; it must be at least 0")
