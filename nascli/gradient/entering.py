"""What a stage begins with: its supernet, its architecture weights, its options."""

from __future__ import annotations

import torch
from torch import Tensor

from nascli.core.choice import SKIP
from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.space import Deepens, Relaxable
from nascli.core.supernet import Mixture, PartialChannels, Relaxation, Supernet
from nascli.data.batches import derived
from nascli.gradient.edges import EdgeNormalised
from nascli.gradient.parts import Parts
from nascli.gradient.stages import Stage, strongest


def supernet_of(problem: Problem, stage: Stage, before: Stage | None) -> Supernet:
    """The supernet of `stage`: the one at hand, made over, or a new one of another depth.

    `before` is the stage that the problem's supernet is of; None for one that nobody touched.
    """
    at_hand, channels = (before.supernet, before.partial_channels) if before else (0, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived(problem.seed, "stage", stage.number))
        if stage.supernet != at_hand:
            problem.supernet, channels = grown(problem, stage.depth), 1
        elif before is None and stage.depth != 1.0:
            problem.supernet = grown(problem, stage.depth)
        if stage.partial_channels != channels:
            set_partial_channels(problem, problem.supernet, stage.partial_channels)
    problem.supernet.to(problem.accelerator)
    problem.supernet.to(memory_format=torch.channels_last)
    return problem.supernet


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


def relaxation_of(problem: Problem, parts: Parts, supernet: Supernet, stage: Stage) -> Relaxation:
    """New architecture weights."""
    seed = problem.seed if stage.number == 0 else derived(problem.seed, "stage", stage.number)
    relaxation = parts.relaxation(supernet, seed)
    if parts.edge_normalisation:
        relaxation = EdgeNormalised(relaxation, supernet, derived(seed, "edges"))
    return relaxation.to(problem.accelerator)


def kept(relaxation: Relaxation, supernet: Supernet, count: int) -> list[list[int]]:
    """The options that a stage with `count` of them goes on with, at every choice."""
    present = relaxation.logits().detach() > -torch.inf
    return strongest(relaxation.expected().weights, supernet.choices, present, count)


def skip_mask(supernet: Supernet, like: Tensor) -> Tensor:
    """(choices, options): where the skip connections are, in the shape of `like`."""
    mask = torch.zeros(like.shape, dtype=torch.bool)
    for row, choice in zip(mask, supernet.choices, strict=True):
        for number, option in enumerate(choice.options):
            row[number] = option == SKIP
    return mask.to(like.device)


def without_skips(
    mixture: Mixture, mask: Tensor, chance: float, generator: torch.Generator
) -> Tensor:
    """The mixture's weights, each skip connection left out with `chance`, or made up for."""
    here = (torch.rand(len(mask), 1, generator=generator) >= chance).float() / (1 - chance)
    return torch.where(mask, mixture.weights * here.to(mixture.weights.device), mixture.weights)
