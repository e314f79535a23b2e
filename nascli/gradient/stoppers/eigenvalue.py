"""Stopping when the validation loss becomes sharp in the architecture weights.

Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR 2020 (arXiv
1909.09656), section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nascli.core.problem import Problem
from nascli.gradient.stoppers import checks


class Eigenvalue:
    """Stops at epoch i if s(i - window) / s(i) < ratio, and answers with epoch i - window.

    s is the largest eigenvalue of the Hessian of the validation loss by alpha, averaged over the
    last `window` epochs. With `ratio` 0 it only reads the eigenvalue, every epoch.

    Args:
        problem: what is searched for.
        window: epochs; 5 are published.
        ratio: 0.75 is published.

    Raises:
        Fault: `window` is below 1, or `ratio` not from 0 to 1.
    """

    def __init__(self, problem: Problem, window: int = 5, ratio: float = 0.75) -> None:
        del problem
        checks.eigenvalue(window, ratio)
        self.back = window
        self._window, self._ratio = window, ratio
        self._seen: list[float] = []

    def stops(self, epoch: int, eigenvalue: Callable[[], float]) -> bool:
        """Whether the eigenvalue has risen too fast."""
        del epoch
        self._seen.append(eigenvalue())
        if len(self._seen) < 2 * self._window:
            return False
        now, then = self._smooth(len(self._seen)), self._smooth(len(self._seen) - self._window)
        return now > 0 and then < self._ratio * now

    def _smooth(self, end: int) -> float:
        return sum(self._seen[end - self._window : end]) / self._window

    def readout(self) -> Mapping[str, float]:
        """The last eigenvalue."""
        return {"eigenvalue": self._seen[-1]}

    def state_dict(self) -> dict[str, Any]:
        """All eigenvalues so far."""
        return {"seen": list(self._seen)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._seen = [float(value) for value in state["seen"]]
