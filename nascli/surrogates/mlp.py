"""An ensemble of small multilayer perceptrons.

White, Neiswanger and Savani, BANANAS, AAAI 2021 (arXiv 1910.11858).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.randomness import seed_of
from nascli.core.space import SearchSpace
from nascli.surrogates.encodings import Encoding, Kept, Scale
from nascli.surrogates.graphs import Graph, path_features

if TYPE_CHECKING:
    from torch import Tensor

_ENCODINGS = ("paths", "one_hot")


class MLP:
    """All members are trained at once, on the same values, from different first weights.

    `encoding="paths"` says which sequences of operations lead through the cell (section 3 of the
    paper); a space without a supernet, or with too many such sequences, is encoded as one_hot.

    Departure: two hidden layers of 64 with a squared error instead of ten of 20 with a percentage
    error; the values that reach it are ranks already.

    Args:
        space: whose genotypes are judged.
        seed: of the first weights.
        members: networks in the ensemble.
        width: of both hidden layers.
        epochs: of Adam on all values at once.
        learning_rate: of Adam, annealed to 0 along a cosine.
        encoding: "one_hot" (of the canonical form) or "paths".
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        members: int = 5,
        width: int = 64,
        epochs: int = 150,
        learning_rate: float = 0.01,
        encoding: str = "one_hot",
    ) -> None:
        if encoding not in _ENCODINGS:
            raise Fault(unknown("encoding", encoding, _ENCODINGS))
        self._members, self._width = members, width
        self._epochs, self._rate, self._seed = epochs, learning_rate, seed
        self._one_hot = Encoding(space, canonical=True)
        self._graph = Graph(space) if encoding == "paths" else None
        self._paths = self._graph.paths() if self._graph else None
        self._features = Kept(self._encode)

    def _encode(self, genotypes: Sequence[Genotype]) -> NDArray[np.float64]:
        if self._graph is None or self._paths is None:
            return self._one_hot.one_hot(self._one_hot.codes(genotypes))
        return path_features(self._graph(genotypes), self._paths, len(self._graph.operations))

    def fit(self, genotypes: Sequence[Genotype], values: NDArray[np.float64]) -> None:
        """Trains new networks."""
        import torch

        from nascli.training.optimizers import AdamW

        self._scale = Scale(values)
        inputs = _tensor(self._encode(genotypes))
        targets = _tensor(self._scale.down(values))
        draws = torch.Generator().manual_seed(seed_of(self._seed, "mlp", len(values)))
        sizes = (inputs.shape[1], self._width, self._width, 1)
        self._layers = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            weights = torch.randn(self._members, fan_in, fan_out, generator=draws)
            weights *= (2 / fan_in) ** 0.5  # He et al. 2015
            self._layers.append((weights.requires_grad_(), torch.zeros(self._members, 1, fan_out)))
        for _, bias in self._layers:
            bias.requires_grad_()
        parameters = list(itertools.chain.from_iterable(self._layers))
        optimizer = AdamW(parameters, lr=self._rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self._epochs)
        for _ in range(self._epochs):
            optimizer.zero_grad()
            # Summed over the members, so that each has the gradient that it would have alone.
            loss = ((self._forward(inputs) - targets) ** 2).mean(dim=1).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()

    def _forward(self, inputs: Tensor) -> Tensor:
        """(n, features) -> (members, n)."""
        import torch

        hidden = inputs.expand(self._members, *inputs.shape)
        for number, (weights, bias) in enumerate(self._layers):
            hidden = torch.baddbmm(bias, hidden.relu() if number else hidden, weights)
        return hidden[..., 0]

    def predict(
        self, genotypes: tuple[Genotype, ...], pending: Sequence[Genotype] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and deviation over the members; takes no notice of `pending`."""
        import torch

        del pending
        with torch.no_grad():
            found = self._forward(_tensor(self._features(genotypes))).double().numpy()
        return self._scale.up(found.mean(axis=0), found.std(axis=0))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: `fit` brings it all back."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""


def _tensor(values: NDArray[np.float64]) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
