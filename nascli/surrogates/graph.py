"""An ensemble of graph networks in which information flows as it does in the cell.

Ning et al., A Generic Graph-based Neural Architecture Encoding Scheme for Predictor-based NAS
(GATES), ECCV 2020 (arXiv 2004.01899); in a search: Wei et al., NPENAS, 2020 (arXiv 2003.12857).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascli.core.genotype import Genotype
from nascli.core.randomness import seed_of
from nascli.core.space import SearchSpace
from nascli.surrogates.encodings import Kept, Scale
from nascli.surrogates.graphs import Graph


class GraphEnsemble:
    """States carry vectors; an operation lets a part of its source's vector through to its target.

    Departure from GATES: one pass in the order of the states, as deep as the cell, in place of
    stacked layers; the members' spread is the deviation.

    Args:
        space: whose genotypes are judged; without a plan they are read as chains.
        seed: of the first weights.
        members: networks in the ensemble.
        width: of a state's vector.
        epochs: of Adam on all values at once.
        learning_rate: of Adam, annealed to 0 along a cosine.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        members: int = 3,
        width: int = 32,
        epochs: int = 150,
        learning_rate: float = 0.01,
    ) -> None:
        self._graph = Graph(space)
        self._count, self._width, self._seed = members, width, seed
        self._epochs, self._rate = epochs, learning_rate
        self._operations = Kept(self._encode)

    def _encode(self, genotypes: Sequence[Genotype]) -> NDArray[np.float64]:
        return self._graph(genotypes).astype(np.float64)

    def fit(self, genotypes: Sequence[Genotype], values: NDArray[np.float64]) -> None:
        """Trains new networks."""
        import torch

        from nascli.surrogates.graph_network import GraphNetwork
        from nascli.training.optimizers import AdamW

        self._scale = Scale(values)
        inputs = torch.from_numpy(self._graph(genotypes))
        targets = torch.from_numpy(self._scale.down(values)).float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self._seed, "graph", len(values)))
            self._networks = [GraphNetwork(self._graph, self._width) for _ in range(self._count)]
        for network in self._networks:
            network.train()
            optimizer = AdamW(network.parameters(), lr=self._rate, weight_decay=1e-2)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self._epochs)
            for _ in range(self._epochs):
                optimizer.zero_grad()
                loss = ((network(inputs) - targets) ** 2).mean()
                loss.backward()
                optimizer.step()
                schedule.step()

    def predict(
        self, genotypes: tuple[Genotype, ...], pending: Sequence[Genotype] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and deviation over the members; takes no notice of `pending`."""
        import torch

        del pending
        inputs = torch.from_numpy(self._operations(genotypes)).long()
        with torch.no_grad():
            found = torch.stack([network(inputs) for network in self._networks]).double().numpy()
        return self._scale.up(found.mean(axis=0), found.std(axis=0))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: `fit` brings it all back."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""
