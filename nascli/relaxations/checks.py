"""Which values relaxations take; looked at without torch, and by their constructors.

A function has the name of the module whose component it is about, and the names of its settings.
"""

from __future__ import annotations

from nascli.core.fault import Fault, unknown

COURSES = ("linear", "geometric")


def gumbel(start: float, end: float, course: str) -> None:
    """Raises a Fault for a temperature that is none, or an unknown course."""
    for key, value in (("start", start), ("end", end)):
        if not value > 0:
            raise Fault(f"strategy.relaxation.{key} is {value}; a temperature is above 0")
    if course not in COURSES:
        raise Fault(unknown("strategy.relaxation.course", course, COURSES))
