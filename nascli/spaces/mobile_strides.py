"""The strides of mobile networks: the published ones, fewer for small images, or the user's."""

from __future__ import annotations

import math
from collections.abc import Sequence

STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)
"""Of the stem and of the seven stages, in all published networks."""

_PUBLISHED_FROM = 64  # pixels a side from which strides are the published ones
_LAST = 4  # pixels a side that should be left of smaller images


def published(side: int) -> tuple[int, ...]:
    """Those of the stem and of the published stages, for images of `side` pixels."""
    found = list(STRIDES)
    for index in range(len(found)):
        if side < _PUBLISHED_FROM and -(-side // math.prod(found)) < _LAST:
            found[index] = 1
    return tuple(found)


def wrong_strides(strides: Sequence[int] | None, stages: int, size: tuple[int, int]) -> list[str]:
    """What is wrong with the strides that are given, or with giving none."""
    if strides is None:
        if stages < len(STRIDES):
            return []
        return [f"space.strides is missing: {stages} stages are more than {len(STRIDES) - 1}"]
    if len(strides) <= stages or any(type(s) is not int or s not in (1, 2) for s in strides):
        return [
            f"space.strides is {list(strides)}; it must have 1 or 2 for the stem and for each of "
            f"the {stages} stages"
        ]
    least = math.prod(strides)
    if min(size) >= least:
        return []
    return [
        f"images of {size[0]}x{size[1]} pixels are too small for space 'mobile' with strides "
        f"{list(strides)}; the smallest allowed is {least}x{least}"
    ]
