"""Scaling: how much wider, deeper and larger in image a network becomes; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Scale:
    """Factors of channels and of layers, and the images' size in pixels a side."""

    width: float
    depth: float
    resolution: int


class Scaling(Protocol):
    """A family of scales, from the smallest on."""

    def scales(self, resolution: int) -> Mapping[str, Scale]:
        """Name -> scale of every member; `resolution` is that of the base, in pixels a side."""
