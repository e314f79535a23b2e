"""Trains every proposed network and validates it: the plain, expensive, honest estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from nascli.core.problem import Problem
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.core.words import counted
from nascli.data.identity import selecting
from nascli.data.task import Task
from nascli.training.recipe import Recipe
from nascli.training.steps import check_steps


class Train:
    """Trains the network of a proposal from scratch for its share of the recipe's epochs.

    Reports `accuracy`, percent of the validation split after the last epoch, and `train_accuracy`,
    percent of the augmented training images in that epoch. `balanced_accuracy`, `macro_f1` and
    `top5_accuracy`, percent of the validation split too, are reported where the goal looks at them;
    see `nascli.training.scoring.Judgement`. Weights and batches follow from the
    problem's seed alone, so every proposal starts alike and the order of proposals does not matter.
    The test split is never read.

    Args:
        problem: its task needs images, its `training` is the recipe.
        batch_size: in place of the recipe's.

    Raises:
        Fault: the task's images cannot be read, or one at a time are too few to train on.
    """

    metrics: tuple[str, ...] = ("accuracy", "train_accuracy")
    traits = Traits(on_request=("balanced_accuracy", "macro_f1", "top5_accuracy"))

    def __init__(self, problem: Problem, batch_size: int | None = None) -> None:
        recipe: Recipe = problem.recipe
        self._recipe = recipe if batch_size is None else replace(recipe, batch_size=batch_size)
        self._problem = problem
        self._asked = [m for m in self.traits.on_request if m in problem.goal.metrics]
        self.metrics = (*type(self).metrics, *self._asked)
        task = cast(Task, problem.task)
        epochs = max(1, round(problem.fidelity * recipe.epochs))
        self.meaning = f"on the validation split, after {counted(epochs, 'epoch')} from scratch"
        check_steps(problem, self._recipe.batch_size)
        self._train, self._valid = task.split("train"), selecting(task)
        self._cut: dict[str, Any] = {}  # the training that was cut when the time was over

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """Trains for round(fidelity * epochs) epochs, at least one.

        Raises:
            DivergedError: a loss or a weight is no longer a number.
            OutOfTime: the budget's time is over; the next estimate of this proposal goes on there.
        """
        import torch  # here, for what is wrong with a search is found without it

        from nascli.training.divergence import DivergedError, smaller
        from nascli.training.fit import fit
        from nascli.training.scoring import judged

        problem = self._problem
        mine = {"genotype": proposal.genotype.to_json(), "fidelity": proposal.fidelity}
        cut, self._cut = self._cut, {}

        def keep(training: dict[str, Any]) -> None:
            self._cut = {**mine, "training": training}

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(problem.seed)
            network = problem.space.network(proposal.genotype)
        try:
            epochs = fit(
                network,
                self._train,
                None,
                self._recipe,
                epochs=max(1, round(proposal.fidelity * self._recipe.epochs)),
                accelerator=problem.accelerator,
                seed=problem.seed,
                progress=problem.listener.progress,
                state=cut["training"] if cut and {**cut, **mine} == cut else None,
                budget=problem.budget,
                on_cut=keep,
            )
            found = judged(network, self._valid, problem.accelerator)
            if not math.isfinite(found.score.loss):
                raise DivergedError(f"the validation loss is {found.score.loss}")
        except DivergedError as error:
            raise DivergedError(f"{error}; take {smaller(self._recipe)}") from error
        accuracies = {
            "accuracy": found.score.accuracy,
            "train_accuracy": epochs[-1].train.accuracy,
        }
        return {**accuracies, **{name: found.metrics[name] for name in self._asked}}

    def state_dict(self) -> dict[str, Any]:
        """The training that was cut; empty if there is none."""
        return self._cut

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self._cut = state
