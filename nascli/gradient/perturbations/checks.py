"""Which values perturbations take; looked at without torch, and by their constructors.

A function has the name of the module whose component it is about, and the names of its settings.
"""

from __future__ import annotations

from nascli.core.fault import Fault


def random(radius: float) -> None:
    """Raises a Fault for a radius that is none."""
    if not 0 < radius <= 1:
        raise Fault(f"strategy.perturbation.radius is {radius}; it must be above 0 and at most 1")


def adversarial(radius: float, steps: int, rule: int) -> None:
    """Raises a Fault for a radius that is none, no steps, or an unknown rule."""
    random(radius)
    if steps < 1:
        raise Fault(f"strategy.perturbation.steps is {steps}; it must be at least 1")
    if rule not in (1, 2):
        raise Fault(f"strategy.perturbation.rule is {rule}; it must be 1 or 2")
