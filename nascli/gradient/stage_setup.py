"""The set-up of a stage: its supernet, its architecture weights or sampler, its options."""

from __future__ import annotations

import torch
from torch import Tensor

from nascli.core import protocols
from nascli.core.choice import SKIP
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.randomness import seed_of
from nascli.core.space import Deepens, Relaxable
from nascli.core.supernet import (
    Elastic,
    Mixture,
    PartialChannels,
    Relaxation,
    Sampler,
    SharedWeights,
    Supernet,
)
from nascli.core.traits import name_of, traits_of
from nascli.gradient.edge_normalisation import EdgeNormalised
from nascli.gradient.method import Method, check_mixes
from nascli.gradient.stages import Stage, strongest


def supernet_of(
    problem: Problem, shared: SharedWeights, stage: Stage, before: Stage | None
) -> Supernet:
    """The supernet of `stage`: the one at hand, adapted, or a new one of another depth.

    `before` is the stage that the shared supernet is of; None for one that nobody has trained.
    """
    at_hand, channels = (before.supernet, before.partial_channels) if before else (0, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(problem.seed, "stage", stage.number))
        if stage.supernet != at_hand:
            shared.supernet, channels = grown(problem, stage.depth), 1
        elif before is None and stage.depth != 1.0:
            shared.supernet = grown(problem, stage.depth)
        if stage.partial_channels != channels:
            set_partial_channels(problem, shared.supernet, stage.partial_channels)
    shared.supernet.to(problem.accelerator)
    shared.supernet.to(memory_format=torch.channels_last)
    return shared.supernet


def grown(problem: Problem, depth: float) -> Supernet:
    """A new supernet with `depth` times the space's cells; from torch's own random state."""
    space = problem.space
    if depth != 1.0 and isinstance(space, Deepens):
        return space.supernet_at(depth)
    if depth != 1.0 or not isinstance(space, Relaxable):
        raise Fault(f"space '{space.name}' has no supernet with {depth} times its depth")
    return space.supernet()


def set_partial_channels(problem: Problem, supernet: Supernet, k: int) -> None:
    """From now on options work on one channel in `k`.

    Raises:
        Fault: the supernet cannot do that.
    """
    if not isinstance(supernet, PartialChannels):
        raise Fault(
            f"strategy.partial_channels is {k}, and options of space '{problem.space.name}' always "
            "work on all channels: leave it out"
        )
    supernet.set_partial_channels(k)


def check_growth(problem: Problem) -> None:
    """Raises a Fault if the space's supernet cannot change its depth."""
    if not isinstance(problem.space, Deepens):
        raise Fault(
            f"strategy.stages ask for supernets of several depths, and that of space "
            f"'{problem.space.name}' has only one: leave out depth"
        )


def relaxation_of(
    problem: Problem, method: Method, supernet: Supernet, stage: Stage
) -> Relaxation | None:
    """New architecture weights; None for a method that has none."""
    if method.relaxation is None:
        return None
    check_mixes(problem.space, sizes=isinstance(supernet, Elastic))
    seed = _seed(problem, stage)
    relaxation = protocols.check(method.relaxation(supernet, seed), Relaxation, "relaxation")
    if method.edge_normalisation:
        relaxation = EdgeNormalised(relaxation, supernet, seed_of(seed, "edges"))
    return relaxation.to(problem.accelerator)


def sampler_of(
    problem: Problem, method: Method, supernet: Supernet, stage: Stage
) -> Sampler | None:
    """A new sampler of paths; None for a method that has none.

    Raises:
        Fault: its paths learn from each other, which a gradient search has no steps for.
    """
    if method.sampler is None:
        return None
    sampler = method.sampler(supernet, _seed(problem, stage))
    if traits_of(sampler).distils:
        raise Fault(
            f"strategy.sampler: the paths of {name_of(sampler)} learn from the largest network, "
            "and a gradient search trains each path on labels; take sampler@strategy.sampler="
            "uniform, or the sampler in strategy=evolution estimator=one_shot"
        )
    return protocols.check(sampler, Sampler, "sampler")


def _seed(problem: Problem, stage: Stage) -> int:
    return problem.seed if stage.number == 0 else seed_of(problem.seed, "stage", stage.number)


def kept(relaxation: Relaxation, supernet: Supernet, count: int) -> list[list[int]]:
    """The options that a stage with `count` of them goes on with, at every choice."""
    present = relaxation.logits().detach() > -torch.inf
    return strongest(relaxation.expected().weights, supernet.choices, present, count)


def skip_mask(supernet: Supernet, accelerator: str) -> Tensor:
    """(choices, options): where the skip connections are; on the accelerator."""
    rows = [[option == SKIP for option in choice.options] for choice in supernet.choices]
    most = max(map(len, rows))
    return torch.tensor([row + [False] * (most - len(row)) for row in rows]).to(accelerator)


def without_skips(
    mixture: Mixture, mask: Tensor, chance: float, generator: torch.Generator
) -> Tensor:
    """The mixture's weights, each skip connection left out with `chance`, or made up for."""
    here = (torch.rand(len(mask), 1, generator=generator) >= chance).float() / (1 - chance)
    return torch.where(mask, mixture.weights * here.to(mixture.weights.device), mixture.weights)
