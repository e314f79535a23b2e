"""A family of networks whose scales are listed one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nascli.core.fault import Fault
from nascli.core.scaling import Scale


class Listed:
    """As it is given.

    Args:
        members: name -> factor of width, factor of depth, resolution in pixels a side.

    Raises:
        Fault: a member is no such triple.
    """

    def __init__(self, members: Mapping[str, Sequence[float]]) -> None:
        wrong = [] if members else ["scaling.members is empty"]
        for name, triple in members.items():
            if len(triple) != 3 or not all(isinstance(v, (int, float)) and v > 0 for v in triple):
                wrong.append(
                    f"scaling.members.{name} is {list(triple)}; it must have three numbers above "
                    "0: width, depth and resolution"
                )
        if wrong:
            raise Fault("\n".join(wrong))
        self._scales = {name: Scale(w, d, round(r)) for name, (w, d, r) in members.items()}

    def scales(self, resolution: int) -> Mapping[str, Scale]:
        """Name -> scale, whatever the base's resolution; see `core.scaling.Scaling`."""
        del resolution
        return self._scales
