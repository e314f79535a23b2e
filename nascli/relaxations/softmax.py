"""The relaxation of DARTS: a softmax over the options of every edge.

Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019 (arXiv 1806.09055), eq. 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nascli.core.supernet import Edge, Mixture


class Softmax:
    """One weight alpha an option; an edge's mixture is the softmax over its own options.

    Args:
        edges: the supernet's.
        seed: of the first weights.
        scale: their standard deviation; 0.001 is published.
    """

    def __init__(self, edges: Sequence[Edge], seed: int, scale: float = 1e-3) -> None:
        counts = torch.tensor([len(edge.options) for edge in edges])
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(len(edges), int(counts.max()), generator=generator)
        self._alpha = torch.nn.Parameter(scale * drawn)  # (edges, options)
        self._absent = torch.arange(drawn.shape[1]) >= counts[:, None]

    def mixtures(self, progress: float) -> Sequence[Mixture]:
        """One mixture, which `progress` does not change."""
        del progress
        return (Mixture(self._weights()),)

    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """Alpha."""
        return (self._alpha,)

    def strengths(self) -> Tensor:
        """(edges, options): the mixture's weights; detached, rows sum to 1."""
        return self._weights().detach()

    def to(self, device: str) -> Softmax:
        """Moves alpha, in place."""
        self._alpha.data = self._alpha.data.to(device)
        self._absent = self._absent.to(device)
        return self

    def state_dict(self) -> dict[str, Any]:
        """A copy of alpha; nothing is drawn after the start."""
        return {"alpha": self._alpha.detach().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        with torch.no_grad():
            self._alpha.copy_(state["alpha"])

    def _weights(self) -> Tensor:
        return self._alpha.masked_fill(self._absent, -torch.inf).softmax(dim=1)
