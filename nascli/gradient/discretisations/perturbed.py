"""The options that the supernet can least do without.

Wang et al., Rethinking Architecture Selection in Differentiable NAS, ICLR 2021 (arXiv 2108.04392),
Algorithm 1.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nascli.core.choice import NONE, Choice, Edge
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.randomness import seed_of
from nascli.core.supernet import Mixture
from nascli.gradient.discretisations import checks
from nascli.gradient.parts import Trained


class Perturbed:
    """After the last epoch, each choice in random order keeps the option whose loss hurts most.

    Each of its options is left out of the mixture in turn; the one without which the loss on a
    fixed batch is largest stays alone. Then nodes in random order lose the edges that they can do
    without best, one after the other, until they have as many as the space gives them. After each
    decision weights and the alphas that are still open are tuned: SGD begins anew at a tenth of its
    learning rate, which falls by a cosine over all of the tuning.

    Departures: loss on one batch of at most 128 images decides, where the published code takes the
    accuracy on half of the training split; tuning is a share of an epoch and not 5 epochs.

    Args:
        problem: its seed orders the choices.
        tuning: epochs of training after each decision.
        rule: 2; or 1, that of earlier versions: alpha rests, the learning rate stays that of the
            last epoch, and edges are ranked once, by how much it hurts to leave each out alone. A
            run folder of theirs goes on with it.

    Raises:
        Fault: `tuning` is below 0, or there is no such rule.
    """

    at_the_end = True
    without_relaxation = False

    def __init__(self, problem: Problem, tuning: float = 0.1, rule: int = 1) -> None:
        checks.perturbed(tuning, rule)
        self._seed, self._tuning, self._rule = problem.seed, tuning, rule

    def __call__(self, trained: Trained) -> Genotype:
        """The genotype; the weights are changed by the tuning."""
        shuffled = random.Random(seed_of(self._seed, "edges"))
        order = list(range(len(trained.supernet.choices)))
        shuffled.shuffle(order)
        if self._rule == 1:
            return self._ranked_once(trained, order)
        decided = _Decided(trained.supernet.choices)
        nodes = decided.nodes()
        shuffled.shuffle(nodes)
        turns = len(order) + len(nodes)
        for turn, row in enumerate(order):
            now = decided(trained.relaxation.expected())
            decided.option[row] = self._least_dispensable(trained, now, row)
            self._tune(trained, decided, turn / turns)
        whole = decided(trained.relaxation.expected())
        taken = trained.supernet.path(trained.supernet.derive(whole.weights)).active or ()
        for turn, rows in enumerate(nodes, len(order)):
            left = list(rows)
            for _ in range(len(rows) - sum(bool(taken[row]) for row in rows)):
                now = decided(trained.relaxation.expected())
                drop = min(left, key=lambda row: trained.loss(_without(now, row, None)))
                left.remove(drop)
                decided.option[drop] = None
            self._tune(trained, decided, turn / turns)
        return trained.derive(decided(trained.relaxation.expected()).weights)

    def _tune(self, trained: Trained, decided: Callable[[Mixture], Mixture], done: float) -> None:
        if self._tuning:
            trained.adapt(decided, self._tuning, done)

    def _ranked_once(self, trained: Trained, order: Sequence[int]) -> Genotype:
        """Rule 1."""
        choices = trained.supernet.choices
        now = _Decided(choices)(trained.relaxation.expected())
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


class _Decided:
    """Row of a choice -> the option that stays alone, or None for an edge that has gone."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.option: dict[int, int | None] = {}
        self._choices = choices

    def __call__(self, mixture: Mixture) -> Mixture:
        """The mixture with all decisions made in it."""
        every = tuple(tuple(range(len(choice.options))) for choice in self._choices)
        mixture = replace(mixture, active=mixture.active or every)
        for row, number in self.option.items():
            if number is None:
                mixture = _without(mixture, row, None)
            else:
                mixture = _only(mixture, row, number)
        return mixture

    def nodes(self) -> list[list[int]]:
        """The rows of the edges into every node that has several."""
        found: dict[tuple[str, int], list[int]] = {}
        for row, choice in enumerate(self._choices):
            if isinstance(choice, Edge):
                found.setdefault((choice.group, choice.target), []).append(row)
        return [rows for rows in found.values() if len(rows) > 1]


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
