"""Weight sharing: a supernet, the mixture of one forward pass, and what weighs its paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nascli.core.genotype import Genotype

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Edge:
    """One place of a supernet where operations compete.

    `group` names the cell that the edge is of; `source` and `target` are its states' numbers.
    """

    name: str
    group: str
    source: int
    target: int
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mixture:
    """How one forward pass weighs every option of every edge.

    `weights` is (edges, options), zero past an edge's own options. `active` lists, per edge, the
    options that take part; None means all. It lies on the host so that a sampled path costs one
    path and a GPU is never asked which one it was.
    """

    weights: Tensor
    active: tuple[tuple[int, ...], ...] | None = None


class Supernet(Protocol):
    """All networks of a space in one `nn.Module`."""

    @property
    def edges(self) -> Sequence[Edge]:
        """The places where options compete, in the order of a mixture's rows."""

    def __call__(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images (B, C, H, W) -> logits (B, classes)."""

    def path(self, genotype: Genotype) -> Mixture:
        """The mixture that evaluates `genotype` alone (weights 0 and 1)."""

    def derive(self, strengths: Tensor) -> Genotype:
        """The genotype that `strengths` (edges, options) prefer."""

    # What every nn.Module has, named here because protocols cannot inherit from it.
    def parameters(self) -> Iterator[nn.Parameter]: ...  # noqa: D102
    def modules(self) -> Iterator[nn.Module]: ...  # noqa: D102
    def buffers(self) -> Iterator[Tensor]: ...  # noqa: D102
    def train(self, mode: bool = True) -> Any: ...  # noqa: D102
    def eval(self) -> Any: ...  # noqa: D102
    def to(self, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102
    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...  # noqa: D102


class Relaxation(Protocol):
    """Architecture weights and how they become mixtures; `Relaxation(edges, seed, **yaml)`."""

    def mixtures(self, progress: float) -> Sequence[Mixture]:
        """The mixtures of one step (one, or several samples); `progress` runs from 0 to 1."""

    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """The architecture weights, for their optimizer."""

    def strengths(self) -> Tensor:
        """(edges, options): how much each option is preferred now; detached, rows sum to 1."""

    def to(self, device: str) -> Relaxation:
        """Moves the weights, in place."""

    def state_dict(self) -> dict[str, Any]:
        """Weights and random state, for a checkpoint."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
