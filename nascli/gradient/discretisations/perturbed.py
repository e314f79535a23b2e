"""The options that the supernet can least do without.

Wang et al., Rethinking Architecture Selection in Differentiable NAS, ICLR 2021 (arXiv 2108.04392),
Algorithm 1.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nascli.core.choice import NONE
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import seed_of
from nascli.core.supernet import Mixture
from nascli.gradient.parts import Trained


class Perturbed:
    """After the last epoch, each choice in random order keeps the option whose loss hurts most.

    Each of its options is left out of the mixture in turn; the one without which the loss on a
    fixed batch is largest stays alone, and the weights are tuned. Then every choice is left out in
    turn: how much that hurts is its strength, by which a space that chooses among edges derives the
    genotype.

    Departures: loss on one batch of at most 128 images decides, where the published code takes the
    accuracy on half of the training split; tuning is a share of an epoch and not 5 epochs; choices
    are ranked once and not node by node with more tuning.

    Args:
        problem: its seed orders the choices.
        tuning: epochs of training after each decision.

    Raises:
        Fault: `tuning` is below 0.
    """

    at_the_end = True
    without_relaxation = False

    def __init__(self, problem: Problem, tuning: float = 0.1) -> None:
        if not tuning >= 0:
            raise Fault(f"strategy.discretisation.tuning is {tuning}; it must be at least 0")
        self._seed, self._tuning = problem.seed, tuning

    def __call__(self, trained: Trained) -> Genotype:
        """The genotype; the weights are changed by the tuning."""
        choices = trained.supernet.choices
        now = trained.relaxation.expected()
        active = now.active or tuple(tuple(range(len(choice.options))) for choice in choices)
        now = replace(now, active=active)
        order = list(range(len(choices)))
        random.Random(seed_of(self._seed, "edges")).shuffle(order)
        for row in order:
            now = _only(now, row, self._least_dispensable(trained, now, row))
            if self._tuning:
                trained.tune(now, self._tuning)
        hurts = [trained.loss(_without(now, row, None)) for row in range(len(choices))]
        return trained.derive(_strengths(now, hurts))

    def _least_dispensable(self, trained: Trained, now: Mixture, row: int) -> int:
        assert now.active is not None
        options = trained.supernet.choices[row].options
        here = now.active[row]
        numbers = [number for number in here if options[number] != NONE] or list(here)
        return max(numbers, key=lambda number: trained.loss(_without(now, row, number)))


def _without(mixture: Mixture, row: int, number: int | None) -> Mixture:
    """The mixture without one option of a choice, or without all (None); nothing else changes."""
    assert mixture.active is not None
    kept = () if number is None else tuple(n for n in mixture.active[row] if n != number)
    return _with(mixture, row, kept, mixture.weights)


def _only(mixture: Mixture, row: int, number: int) -> Mixture:
    """The mixture with one option alone at a choice, of weight 1."""
    weights = mixture.weights.clone()
    weights[row] = torch.zeros_like(weights[row])
    weights[row, number] = 1.0
    return _with(mixture, row, (number,), weights)


def _with(mixture: Mixture, row: int, numbers: tuple[int, ...], weights: Tensor) -> Mixture:
    assert mixture.active is not None
    active = (*mixture.active[:row], numbers, *mixture.active[row + 1 :])
    kept = torch.zeros_like(weights[row])
    kept[list(numbers)] = 1.0
    weights = weights.clone()
    weights[row] = weights[row] * kept
    return replace(mixture, weights=weights, active=active)


def _strengths(mixture: Mixture, hurts: Sequence[float]) -> Tensor:
    """(choices, options): a choice's one option is as strong as its loss is high."""
    ranks = torch.tensor(hurts, dtype=mixture.weights.dtype).argsort().argsort() + 1.0
    return (mixture.weights > 0) * ranks.to(mixture.weights)[:, None]
