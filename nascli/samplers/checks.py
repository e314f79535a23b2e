"""Which values samplers take; looked at without torch, and by their constructors.

A function has the name of the module whose component it is about, and the names of its settings.
"""

from __future__ import annotations

from nascli.core.fault import Fault


def uniform(rule: int) -> None:
    """Raises a Fault if there is no such rule."""
    if rule not in (1, 2):
        raise Fault(f"the rule of the uniform sampler is {rule}; it must be 1 or 2")


def sandwich(random: int) -> None:
    """Raises a Fault for a number of paths below 0."""
    if random < 0:
        raise Fault(f"estimator.sampler.random is {random}; it must be at least 0")


def shrinking(largest: float, random: int, *, elastic: bool) -> None:
    """Raises a Fault for a share that is none, no paths, or sizes that are not `elastic`."""
    if not 0 < largest < 1:
        raise Fault(
            f"estimator.sampler.largest is {largest}; it must be above 0 and below 1: the "
            "share of the training before anything shrinks"
        )
    if random < 1:
        raise Fault(f"estimator.sampler.random is {random}; it must be at least 1")
    if not elastic:
        raise Fault(
            "sampler=shrinking asks for a supernet with elastic sizes, such as that of "
            "space=once_for_all; take uniform, fair or sandwich here"
        )
