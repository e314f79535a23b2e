"""Edge normalisation: a weight for every edge, a softmax over those that enter the same node.

Xu et al., PC-DARTS, ICLR 2020 (arXiv 1907.05737), section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nascli.core.choice import Edge
from nascli.core.fault import Fault
from nascli.core.supernet import Level, Mixture, Priced, Relaxation, Rescales, Supernet


class EdgeNormalised:
    """Any relaxation, with a weight beta for each edge beside it.

    Args:
        inner: weighs the options of every edge.
        supernet: whose edges they are.
        seed: of the first betas.
        scale: their standard deviation; 0.001 is published.

    Raises:
        Fault: a choice of the supernet is no edge.
    """

    def __init__(
        self, inner: Relaxation, supernet: Supernet, seed: int, scale: float = 1e-3
    ) -> None:
        self._inner = inner
        choices = supernet.choices
        edges = [choice for choice in choices if isinstance(choice, Edge)]
        if len(edges) < len(choices):
            raise Fault(
                "strategy.edge_normalisation is true, and not all choices of the space are edges "
                "between states of a cell: leave it out"
            )
        places = [(edge.group, edge.target) for edge in edges]
        numbers = {place: number for number, place in enumerate(dict.fromkeys(places))}
        self._node = torch.tensor([numbers[place] for place in places])  # (edges,)
        generator = torch.Generator().manual_seed(seed)
        self._beta = torch.nn.Parameter(scale * torch.randn(len(places), generator=generator))

    def shares(self) -> Tensor:
        """(edges,): those into one node sum to 1.

        The share of edge (i, j) is exp(beta_ij) / sum over i' < j of exp(beta_i'j).
        """
        powers = self._beta.exp()
        sums = powers.new_zeros(len(powers)).index_add(0, self._node, powers)
        return powers / sums[self._node]

    def mixtures(self, progress: float, level: Level = "weights") -> Sequence[Mixture]:
        """Those of the inner relaxation, with the edges' shares."""
        return [replace(m, edges=self.shares()) for m in self._inner.mixtures(progress, level)]

    def expected(self) -> Mixture:
        """That of the inner relaxation, with the edges' shares; detached."""
        return replace(self._inner.expected(), edges=self.shares().detach())

    def logits(self) -> Tensor:
        """Those of the inner relaxation."""
        return self._inner.logits()

    @property
    def prices(self) -> Tensor | None:
        """Those of the inner relaxation, if it can be priced."""
        if not isinstance(self._inner, Priced):
            raise AttributeError("the inner relaxation has no prices")
        return self._inner.prices

    @prices.setter
    def prices(self, prices: Tensor | None) -> None:
        assert isinstance(self._inner, Priced)
        self._inner.prices = prices

    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """The inner relaxation's, and beta."""
        return (*self._inner.parameters(), self._beta)

    def rescale(self) -> None:
        """See the inner relaxation."""
        if isinstance(self._inner, Rescales):
            self._inner.rescale()

    def keep(self, options: Sequence[Sequence[int]]) -> None:
        """See the inner relaxation."""
        self._inner.keep(options)

    def to(self, device: str) -> EdgeNormalised:
        """Moves all weights, in place."""
        self._inner.to(device)
        torch.utils.swap_tensors(self._beta, torch.nn.Parameter(self._beta.detach().to(device)))  # type: ignore[no-untyped-call]
        self._node = self._node.to(device)
        return self

    def state_dict(self) -> dict[str, Any]:
        """The inner relaxation's state, and beta."""
        return {"inner": self._inner.state_dict(), "beta": self._beta.detach().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._inner.load_state_dict(state["inner"])
        with torch.no_grad():
            self._beta.copy_(state["beta"])
