"""Weight sharing: a supernet, the mixture of one forward pass, what weighs or samples its paths."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from nascli.core.choice import Choice
from nascli.core.genotype import Genotype

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nascli.core.estimator import Stateful
    from nascli.core.space import SearchSpace

Level = Literal["weights", "architecture"]
"""Which of the two levels of a bilevel search a step is of."""

Trainer = Literal["strategy", "estimator", "nobody"]
"""Who trains shared weights: the strategy under way, the estimator beforehand, or another run."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """How one forward pass weighs every option of every choice.

    `weights` is (choices, options), zero past a choice's own options. `active` lists, per choice,
    the options that take part; None means all. It lies on the host so that a sampled path costs one
    path and a GPU is never asked which one it was. `edges` (choices,), where the choices are edges,
    is a factor on each edge's whole output, channels that pass by included; None means 1.
    """

    weights: Tensor
    active: tuple[tuple[int, ...], ...] | None = None
    edges: Tensor | None = None

    @property
    def strengths(self) -> Tensor:
        """(choices, options): how much each option counts, the factor of its edge included."""
        return self.weights if self.edges is None else self.weights * self.edges[:, None]


class Supernet(Protocol):
    """All networks of a space in one `nn.Module`."""

    @property
    def space(self) -> SearchSpace:
        """Whose networks they are."""

    @property
    def choices(self) -> Sequence[Choice]:
        """The places where options compete, in the order of a mixture's rows."""

    def __call__(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Images (B, C, H, W) -> logits (B, classes)."""

    def path(self, genotype: Genotype) -> Mixture:
        """The mixture that evaluates `genotype` alone (weights 0 and 1)."""

    def derive(self, strengths: Tensor) -> Genotype:
        """The genotype that `strengths` (choices, options) prefer."""

    # What every nn.Module has, named here because protocols cannot inherit from it.
    def parameters(self) -> Iterator[nn.Parameter]: ...  # noqa: D102
    def modules(self) -> Iterator[nn.Module]: ...  # noqa: D102
    def named_buffers(self) -> Iterator[tuple[str, Tensor]]: ...  # noqa: D102
    def train(self, mode: bool = True) -> Any: ...  # noqa: D102
    def eval(self) -> Any: ...  # noqa: D102
    def to(self, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102
    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...  # noqa: D102


@runtime_checkable
class PartialChannels(Protocol):
    """A supernet whose options can work on a part of the channels."""

    def set_partial_channels(self, k: int) -> None:
        """From now on options work on one channel in `k`; the others pass them by (1: off).

        Xu et al., PC-DARTS, ICLR 2020 (arXiv 1907.05737), section 3.2. A smaller `k` than before
        widens the options, which start from what they have learnt. Parameters are replaced.

        Raises:
            Fault: `k` does not divide the channels.
        """


class Shrinking(NamedTuple):
    """A stage in which a supernet's smaller sizes are let in.

    `name` says which sizes are new; `options` is every decision -> what may be drawn of it, the
    largest first. `sorts` says that widths are among them, so that channels are sorted before.
    """

    name: str
    options: Mapping[str, tuple[str, ...]]
    sorts: bool = False


@runtime_checkable
class Elastic(Protocol):
    """A supernet whose choices are sizes; each weight is stored once, at its largest.

    Cai et al., Once-for-All, ICLR 2020 (arXiv 1908.09791), section 3.
    """

    @property
    def stages(self) -> Sequence[Shrinking]:
        """The order of shrinking; each stage lets in what the one before did, and more."""

    def largest(self) -> Genotype:
        """The network with the largest of every size."""

    def smallest(self) -> Genotype:
        """The network with the smallest of every size."""

    def sort_channels(self) -> None:
        """Reorders the channels of elastic widths, the most important first, in place.

        What the largest network computes stays, up to rounding. Momenta of an optimizer are then of
        other channels.
        """


@runtime_checkable
class Inherits(Protocol):
    """A supernet that gives its networks with the weights they have in it."""

    def network(self, genotype: Genotype) -> nn.Module:
        """The network of `genotype` with copies of its weights and of its batch norms' statistics.

        It computes what the path does, the statistics of batch norms being equal.
        """


@runtime_checkable
class Sized(Protocol):
    """A supernet that knows which of its networks are the largest and the smallest."""

    def largest(self) -> Genotype:
        """The network with the most multiply-adds; of equals, with the most parameters."""

    def smallest(self) -> Genotype:
        """The network with the fewest, `none` left out where there is anything else."""


class PathStep(NamedTuple):
    """A part of the evaluation of a path.

    `run` makes of what the step before gave (the first: of images) what the next one takes (the
    last: logits). Two paths whose steps have had equal `key`s so far have had equal results.
    `norms` are the batch norms that it runs.
    """

    key: Hashable
    run: Callable[[Any], Any]
    norms: Sequence[nn.BatchNorm2d]


@runtime_checkable
class Stepwise(Protocol):
    """A supernet that evaluates a path step by step, so that paths can share how they begin."""

    def steps(self, mixture: Mixture) -> Sequence[PathStep]:
        """The steps of a path; all of them, one after another, are what calling it does."""


class Relaxation(Protocol):
    """Architecture weights and how they become mixtures; `Relaxation(supernet, seed, **yaml)`."""

    def mixtures(self, progress: float, level: Level = "weights") -> Sequence[Mixture]:
        """The mixtures of one step (one, or several samples); `progress` runs from 0 to 1."""

    def expected(self) -> Mixture:
        """What the architecture weights stand for now, nothing sampled; detached."""

    def logits(self) -> Tensor:
        """(choices, options): the architecture weights, with their gradient, less all prices.

        They are -inf where a choice lacks the option.
        """

    def parameters(self) -> Sequence[torch.nn.Parameter]:
        """The architecture weights, for their optimizer; at least one."""

    def keep(self, options: Sequence[Sequence[int]]) -> None:
        """From now on only these options of each choice take part."""

    def to(self, device: str) -> Relaxation:
        """Moves the weights, in place."""

    def state_dict(self) -> dict[str, Any]:
        """Weights, kept options and random state, for a checkpoint."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


@runtime_checkable
class Rescales(Protocol):
    """A relaxation that puts its weights right after every architecture step."""

    def rescale(self) -> None:
        """Called once the optimizer has moved the weights by what `mixtures` last gave."""


@runtime_checkable
class Priced(Protocol):
    """A relaxation whose options can be priced by what they cost.

    `prices` are (choices, options), taken off the architecture weights in all that the relaxation
    gives; None for nothing.
    """

    prices: Tensor | None


def unpriced(relaxation: Relaxation) -> Mixture:
    """`relaxation.expected()` without prices: what options are worth, whatever they cost."""
    if not isinstance(relaxation, Priced) or relaxation.prices is None:
        return relaxation.expected()
    prices, relaxation.prices = relaxation.prices, None
    try:
        return relaxation.expected()
    finally:
        relaxation.prices = prices


class Sampler(Protocol):
    """Draws paths without architecture weights; `Sampler(supernet, seed, **yaml)`.

    All draws follow from the seed. It lives on the host.
    """

    def paths(self, progress: float) -> Sequence[Genotype]:
        """The genotypes whose paths one step trains: it descends the sum of their losses.

        `progress` runs from 0 to 1 through the training. What paths learn from besides labels is
        the sampler's trait `distils`. (A gradient search descends their mean.)
        """

    def state_dict(self) -> dict[str, Any]:
        """Where its random draws stand, for a checkpoint."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


@runtime_checkable
class Staged(Protocol):
    """A sampler that lets in smaller sizes stage by stage."""

    def stage(self, progress: float) -> Shrinking | None:
        """The stage that a step at `progress` is of; None before the first."""


class SharedWeights(Protocol):
    """A supernet, what weighs or samples its paths, and what trains it.

    Strategies and estimators with the trait `weight_sharing` are built as
    `Component(problem, shared, **yaml)`; those of one search get the same object. Whoever trains
    the weights, and `trainer` says who does, puts here what it trains with, and keeps the state.
    """

    trainer: Trainer
    relaxation: Relaxation | None
    """What a gradient search weighs the options with; None where there are no such weights."""
    sampler: Sampler | None
    """What draws the paths that are trained; None where nothing does."""
    training: Stateful | None
    """The optimizer of the supernet's weights; None before any training."""

    @property
    def supernet(self) -> Supernet:
        """On the accelerator; built on first use, its first weights from the problem's seed.

        It may be another one after every proposal, for a progressive search puts in a deeper one.
        """

    @supernet.setter
    def supernet(self, supernet: Supernet) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        """`supernet`, and what there is of `relaxation`, `sampler` and `optimizer`."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave; other entries are left alone."""
