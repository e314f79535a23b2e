"""A retraining in several processes: the first runs the program, and the others train with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import torch
from torch import distributed as dist

from nascli.core import launch
from nascli.core.fault import Fault, Stopped, first_line
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import SearchSpace
from nascli.core.words import counted
from nascli.data.task import Task
from nascli.programs.networks import network_of
from nascli.training.divergence import DivergedError
from nascli.training.fit import fit
from nascli.training.together import ALONE, Together

_PATIENCE = timedelta(days=7)  # while the first one scores, or writes, the others wait


def joined(accelerator: str) -> Together:
    """Joins the processes that torchrun has started; alone without torchrun.

    Raises:
        Fault: there is not a GPU for each of them.
    """
    rank, count = launch.place()
    if count == 1:
        return ALONE
    backend = "gloo"
    if accelerator != "cpu" and torch.cuda.is_available():
        there = torch.cuda.device_count()
        if launch.local() >= there:
            raise Fault(
                f"torchrun has started more processes than there are GPUs ({there}) on this "
                f"machine: take --nproc-per-node {there}, or accelerator=cpu"
            )
        torch.cuda.set_device(launch.local())
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=_PATIENCE)
    return Together(rank, count)


@contextmanager
def whole(together: Together, folder: Path) -> Iterator[None]:
    """Ends the program, and not one training, where the processes are no longer together.

    Raises:
        Stopped: one of them has failed.
    """
    try:
        yield
    except (Fault, DivergedError):
        raise
    except Exception as error:
        if together.count == 1:
            raise
        raise Stopped(
            f"one of {counted(together.count, 'process')} that train together has failed, so none "
            f"goes on: {_said(error)}; "
            f"once that is mended take resume={folder}, under torchrun as before"
        ) from error


Made = Callable[[Mapping[str, Any]], tuple[Problem, SearchSpace]]
"""The first process's config -> its problem, and the space of known networks."""


def follow(together: Together, made: Made) -> None:
    """Takes part in every training of the first process until it has no more.

    Raises:
        Fault: something failed here.
    """
    try:
        problem, known = made(together.told())
        while (asked := together.told()) is not None:
            _trained(together, asked, problem, known)
        together.leave()
    except Exception as error:
        raise Fault(
            f"process {together.rank + 1} of {together.count} has ended early: {_said(error)}"
        ) from error


def _said(error: Exception) -> str:
    """What has failed here; where that is another process, no more than that."""
    text = first_line(error)
    another = "by peer" in text or isinstance(error, dist.DistNetworkError)
    return "the connection to another one is lost" if another else f"{type(error).__name__}: {text}"


def _trained(
    together: Together, asked: Mapping[str, Any], problem: Problem, known: SearchSpace
) -> None:
    genotype, seed, task = Genotype.from_json(asked["genotype"]), asked["seed"], problem.task
    space = known if genotype.space == known.name else problem.space
    valid = cast(Task, task).split("valid")
    with suppress(DivergedError):  # in all of them alike, and the first one says what follows
        fit(
            network_of(replace(problem, space=space, seed=seed), genotype),
            cast(Task, task).split("train"),
            valid if len(valid) else None,
            problem.recipe,
            accelerator=problem.accelerator,
            seed=seed,
            state=asked["training"],
            scale=asked["scale"],
            together=together,
        )
