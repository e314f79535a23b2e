"""Whether the networks of a space can be trained on steps of so few images."""

from __future__ import annotations

from nascli.core.fault import Fault
from nascli.core.problem import Problem
from nascli.core.space import Planned


def check_steps(problem: Problem, images: int) -> None:
    """Runs what gives a single pixel as a step of one image would; larger steps are all fine.

    Raises:
        Fault: batch norm would have to train on one value a channel.
    """
    space = problem.space
    if images > 1 or not isinstance(space, Planned):
        return
    import torch

    for layer, build in space.layers().items():
        if layer.shape[1:] != (1, 1):
            continue
        with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.no_grad():
            module = build().train()
            try:
                module(torch.zeros(1, layer.in_channels, layer.height, layer.width))
            except ValueError as error:  # as torch says it
                size = "x".join(map(str, problem.task.input_shape[1:]))
                raise Fault(
                    f"training.batch_size is 1, and '{layer.operation}' leaves one pixel of images "
                    f"of {size}: batch norm cannot train on one value a channel; take "
                    "training.batch_size=2 or more, larger images or fewer cells"
                ) from error
