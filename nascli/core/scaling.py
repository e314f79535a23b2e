"""Scaling: how much wider, deeper and larger in image a network becomes; no torch.

Tan & Le, EfficientNet, ICML 2019 (arXiv 1905.11946), equation 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

SPACES = "space"  # where nas scale writes the spaces of its genotypes that no words can choose


@dataclass(frozen=True, slots=True)
class Scale:
    """Factors of channels and of layers, and the images' size in pixels a side."""

    width: float
    depth: float
    resolution: int


@dataclass(frozen=True, slots=True)
class Constants:
    """By how much depth, width and resolution grow with every phi."""

    alpha: float
    beta: float
    gamma: float

    @property
    def product(self) -> float:
        """alpha beta^2 gamma^2: by about how much multiply-adds grow with every phi."""
        return self.alpha * self.beta**2 * self.gamma**2

    def scale(self, phi: float, resolution: int, digits: int | None = None) -> Scale:
        """Each to the power of `phi`, from images of `resolution` pixels a side on.

        `digits` are the decimals that width and depth are rounded to; None: not at all.
        """
        width, depth = self.beta**phi, self.alpha**phi
        if digits is not None:
            width, depth = round(width, digits), round(depth, digits)
        return Scale(width, depth, round(resolution * self.gamma**phi))

    def __str__(self) -> str:
        return f"alpha={self.alpha:g} beta={self.beta:g} gamma={self.gamma:g}"


def wrong_phi(phi: Sequence[float]) -> list[str]:
    """What is wrong with the members that a scaling is to have."""
    empty = [] if phi else ["scaling.phi is empty; it needs a number for every member"]
    return empty + [
        f"scaling.phi has {each}; it must be 0 or more" for each in phi if not each >= 0
    ]


class Scaling(Protocol):
    """A family of scales, from the smallest on."""

    def scales(self, resolution: int) -> Mapping[str, Scale]:
        """Name -> scale of every member; `resolution` is that of the base, in pixels a side."""


@runtime_checkable
class Searching(Scaling, Protocol):
    """A scaling whose constants are found: `scales` are the candidates, each of which is trained.

    Those that are to be tried first come first; of equal ones the first is taken.
    """

    @property
    def trained(self) -> Sequence[str]:
        """The members of every family that are trained too, once the constants are found."""

    def families(self, chosen: str, resolution: int) -> Mapping[str, Mapping[str, Scale]]:
        """Family -> its members: first that of the candidate `chosen`, then those beside it."""


def option(name: str) -> str:
    """The name of a member as that of an option on the command line."""
    return name.replace("=", "_")
