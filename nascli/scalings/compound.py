"""Depth, width and resolution grow together, each by a constant to the power of phi.

Tan & Le, EfficientNet, ICML 2019 (arXiv 1905.11946), equation 3: alpha^phi, beta^phi, gamma^phi,
with alpha beta^2 gamma^2 near 2, so that multiply-adds grow by about 2^phi.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nascli.core.fault import Fault
from nascli.core.scaling import Constants, Scale, wrong_phi


class Compound:
    """A member for every phi.

    Args:
        alpha: of depth. beta: of width. gamma: of resolution.
        phi: the members.
        digits: decimals that the factors of width and depth are rounded to; None: not at all.

    Raises:
        Fault: a constant is below 1, or there is no phi.
    """

    def __init__(
        self,
        alpha: float = 1.2,
        beta: float = 1.1,
        gamma: float = 1.15,
        phi: Sequence[float] = (0, 1, 2, 3, 4, 5, 6, 7),
        digits: int | None = None,
    ) -> None:
        constants = {"alpha": alpha, "beta": beta, "gamma": gamma}
        wrong = [
            f"scaling.{key} is {value}; it must be 1 or more"
            for key, value in constants.items()
            if not value >= 1
        ]
        if wrong := wrong + wrong_phi(phi):
            raise Fault("\n".join(wrong))
        self.constants = Constants(alpha, beta, gamma)
        self.phi, self.digits = tuple(phi), digits

    def scales(self, resolution: int) -> Mapping[str, Scale]:
        """`phi=...` -> scale; see `core.scaling.Scaling`."""
        of = self.constants
        return {f"phi={phi:g}": of.scale(phi, resolution, self.digits) for phi in self.phi}
