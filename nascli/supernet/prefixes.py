"""Many paths of a supernet at once: what they begin with alike is computed once.

An exact saving wherever a supernet is evaluated step by step (`core.supernet.Stepwise`): results
after a step, and the batch-norm statistics in it, follow from the options taken up to it. On a
chain the first layers, which have the largest images, have a few beginnings between them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from nascli.core.supernet import Mixture, PathStep, Stepwise, Supernet

Statistics = list[tuple[Tensor, Tensor]]
"""Mean and variance of every batch norm of a step."""


class Prefixes:
    """The tree of all beginnings of some paths, with the batch-norm statistics of each.

    A batch walks the tree depth first: never more results are kept than a path has steps.

    Args:
        supernet: whose paths they are; only the statistics in its batch norms change.
        mixtures: the paths, by which they are numbered.
        check: called before every path; what it raises passes.
    """

    def __init__(
        self, supernet: Supernet, mixtures: Sequence[Mixture], check: Callable[[], None]
    ) -> None:
        assert isinstance(supernet, Stepwise)
        self._supernet, self._check = supernet, check
        self._paths = [supernet.steps(mixture) for mixture in mixtures]
        self._nodes = _tree(self._paths)
        self._order = sorted(range(len(mixtures)), key=lambda number: self._nodes[number])
        self._statistics: dict[int, Statistics] = {}

    def recalibrate(self, batches: Iterable[Tensor]) -> None:
        """As `recalibration.recalibrate` does for each path, from the same batches."""
        everything = range(len(self._paths))
        self._supernet.train()
        for seen, images in enumerate(batches):

            def run(step: PathStep, node: int, before: object, seen: int = seen) -> object:
                momenta = [norm.momentum for norm in step.norms]
                if seen:
                    self._put(step, node)
                for norm in step.norms:
                    norm.momentum = 1 / (seen + 1)  # a running mean in which all count alike
                after = step.run(before)
                for norm, momentum in zip(step.norms, momenta, strict=True):
                    norm.momentum = momentum
                self._statistics[node] = [_of(norm) for norm in step.norms]
                return after

            for _ in self._walk(images, everything, run):
                pass
        self._supernet.eval()

    def logits(self, images: Tensor, among: Collection[int]) -> Iterator[tuple[int, Tensor]]:
        """Number and logits (B, classes) of the paths `among` all, each by its own statistics."""

        def run(step: PathStep, node: int, before: object) -> object:
            self._put(step, node)
            return step.run(before)

        return self._walk(images, among, run)

    def _put(self, step: PathStep, node: int) -> None:
        """Puts the statistics of a node into the batch norms of its step."""
        for norm, (mean, variance) in zip(step.norms, self._statistics[node], strict=True):
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)

    def _walk(
        self, images: Tensor, among: Collection[int], run: Callable[[PathStep, int, object], object]
    ) -> Iterator[tuple[int, Tensor]]:
        """Runs every node of these paths once; gives what the last step of each path gives."""
        chosen, before = set(among), list[int]()
        results: list[object] = [images]  # after every step of the path at hand
        for number in (one for one in self._order if one in chosen):
            self._check()
            steps, nodes = self._paths[number], self._nodes[number]
            alike = _alike(before, nodes)
            del results[alike + 1 :]
            for step, node in list(zip(steps, nodes, strict=True))[alike:]:
                results.append(run(step, node, results[-1]))
            before, last = nodes, results[-1]
            assert isinstance(last, Tensor)
            yield number, last


def _tree(paths: Sequence[Sequence[PathStep]]) -> list[list[int]]:
    """The nodes of every path: a number for each beginning that differs from the others."""
    known: dict[tuple[int, Hashable], int] = {}
    found = []
    for steps in paths:
        node, nodes = -1, []
        for step in steps:
            node = known.setdefault((node, step.key), len(known))
            nodes.append(node)
        found.append(nodes)
    return found


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many nodes two paths have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _of(norm: torch.nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean.clone(), norm.running_var.clone()
