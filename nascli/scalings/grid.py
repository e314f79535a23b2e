"""Compound scaling whose constants are the best of a grid, each of which is trained once.

Tan & Le, EfficientNet, ICML 2019 (arXiv 1905.11946), section 3.3, step 1: phi is 1, and alpha,
beta, gamma are searched under alpha beta^2 gamma^2 near 2. Step 2 keeps them and raises phi.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from nascli.core.fault import Fault
from nascli.core.scaling import Constants, Scale, wrong_phi

_ROUNDING = 1e-9  # of a product of decimals: 1.6 x 1.1^2 x 1 is 1.9360000000000004 to a computer


class Grid:
    """The candidates nearest to `product` come first; of equally near ones the shallowest.

    Args:
        alpha: values to try, of depth. beta: of width. gamma: of resolution.
        product: what alpha beta^2 gamma^2 of a candidate is to be.
        tolerance: how far it may be from that.
        phi: the members of the families that are made of the best.
        trained: those of them that are trained, whatever family they are of.
        digits: decimals that the factors of width and depth are rounded to; None: not at all.

    Raises:
        Fault: a value makes no sense, or the lists hold no candidate.
    """

    def __init__(
        self,
        alpha: Sequence[float],
        beta: Sequence[float],
        gamma: Sequence[float],
        product: float = 2.0,
        tolerance: float = 0.1,
        phi: Sequence[float] = (0, 1, 2, 3, 4, 5, 6, 7),
        trained: Sequence[float] = (0, 1),
        digits: int | None = None,
    ) -> None:
        lists = {"alpha": alpha, "beta": beta, "gamma": gamma}
        wrong = [
            f"scaling.{key} is empty; give [1] to keep it" for key, v in lists.items() if not v
        ]
        wrong += [
            f"scaling.{key} has {value}; it must be 1 or more"
            for key, values in lists.items()
            for value in values
            if not value >= 1
        ]
        if not product > 1:
            wrong.append(f"scaling.product is {product}; it must be above 1, or nothing grows")
        if not tolerance >= 0:
            wrong.append(f"scaling.tolerance is {tolerance}; it must be 0 or more")
        wrong += wrong_phi(phi)
        known = ", ".join(f"{each:g}" for each in phi)
        wrong += [
            f"scaling.trained has {each:g}, which is not in scaling.phi ({known})"
            for each in trained
            if each not in phi
        ]
        if wrong:
            raise Fault("\n".join(wrong))
        every = [Constants(*values) for values in itertools.product(alpha, beta, gamma)]
        every.sort(key=lambda one: round(abs(one.product - product), 9))
        near = [one for one in every if abs(one.product - product) <= tolerance + _ROUNDING]
        if not near:
            raise Fault(
                f"no alpha, beta, gamma of scaling have alpha beta^2 gamma^2 within "
                f"scaling.tolerance={tolerance:g} of scaling.product={product:g}; the nearest is "
                f"{every[0]} with {every[0].product:.4g}: give more values, or a wider tolerance"
            )
        self.candidates = {str(one): one for one in near}
        self._phi, self._digits = tuple(phi), digits
        self.trained = tuple(_named(each) for each in phi if each in trained)
        alone = {
            "depth": (alpha, Constants(product, 1, 1)),
            "width": (beta, Constants(1, math.sqrt(product), 1)),
            "resolution": (gamma, Constants(1, 1, math.sqrt(product))),
        }
        self._alone = {name: one for name, (values, one) in alone.items() if max(values) > 1}

    def scales(self, resolution: int) -> Mapping[str, Scale]:
        """The candidates, by their constants; see `core.scaling.Searching`."""
        return {
            name: one.scale(1, resolution, self._digits) for name, one in self.candidates.items()
        }

    def families(self, chosen: str, resolution: int) -> Mapping[str, Mapping[str, Scale]]:
        """`compound`, and what grows as fast in depth, in width, or in resolution alone.

        Left out is what nothing was to grow in, and what the chosen candidate itself is.
        """
        best = self.candidates[chosen]
        grown = {"compound": best, **{k: one for k, one in self._alone.items() if one != best}}
        return {
            family: {_named(phi): one.scale(phi, resolution, self._digits) for phi in self._phi}
            for family, one in grown.items()
        }


def _named(phi: float) -> str:
    return f"phi={phi:g}"
