"""Optuna's samplers as strategies: the tree-structured Parzen estimator and a Gaussian process.

Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011; Akiba et al., Optuna,
KDD 2019 (arXiv 1907.10902).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from nascli.core.fault import Fault, unknown
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.traits import Traits
from nascli.core.trial import History, Proposal, Trial

_ALGORITHMS = {"tpe": "TPESampler", "gp": "GPSampler"}


class Optuna:
    """Every decision is a categorical parameter of an Optuna study, asked and told in turn.

    Failed and infeasible trials are told as failed: Optuna learns nothing from them. Its samplers
    keep random states that cannot be saved, so the state is what was asked and told; to load it
    takes the same turns again.

    Args:
        problem: what is searched for; several objectives are several directions of the study.
        algorithm: "tpe" or "gp".
        initial: random genotypes before the algorithm proposes.

    Raises:
        Fault: Optuna is not installed.
    """

    traits = Traits(several_objectives=True)

    def __init__(self, problem: Problem, algorithm: str = "tpe", initial: int = 10) -> None:
        if algorithm not in _ALGORITHMS:
            raise Fault(unknown("strategy.algorithm", algorithm, _ALGORITHMS))
        if initial < 1:
            raise Fault(f"strategy.initial is {initial}; it must be at least 1")
        self._problem = problem
        self._algorithm, self._initial = algorithm, initial
        self._single = len(problem.goal.objectives) == 1 or problem.goal.scalarisation is not None
        self._begin()

    def _begin(self) -> None:
        optuna = _optuna()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        made = getattr(optuna.samplers, _ALGORITHMS[self._algorithm])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            seeded = made(seed=self._problem.seed, n_startup_trials=self._initial)
        count = 1 if self._single else len(self._problem.goal.objectives)
        self._study = optuna.create_study(directions=["minimize"] * count, sampler=seeded)
        self._parameters = {
            decision: optuna.distributions.CategoricalDistribution(options)
            for decision, options in self._problem.space.decisions.items()
        }
        self._open: dict[Genotype, list[int]] = {}
        self._turns: list[tuple[int, list[float] | None]] = []

    @property
    def founders(self) -> tuple[str, int]:
        """See `nascli.core.strategy.Founded`."""
        return "initial", self._initial

    def ask(self, limit: int) -> Sequence[Proposal]:
        """What the study asks for next."""
        return [Proposal(self._next(), self._problem.fidelity) for _ in range(limit)]

    def _next(self) -> Genotype:
        trial = self._study.ask(self._parameters)
        options = tuple(str(trial.params[decision]) for decision in self._parameters)
        genotype = Genotype(self._problem.space.name, tuple(self._parameters), options)
        self._open.setdefault(genotype, []).append(trial.number)
        self._turns.append((-1, None))
        return genotype

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tells the study the losses; a trial that it has not asked for is left out."""
        goal = self._problem.goal
        for trial in trials:
            numbers = self._open.get(trial.genotype)
            if not numbers:
                continue
            good = trial.error is None and trial.infeasible is None
            losses = [goal.loss(trial)] if self._single else list(goal.losses(trial))
            self._told(numbers.pop(0), losses if good else None)

    def _told(self, number: int, losses: list[float] | None) -> None:
        failed = _optuna().trial.TrialState.FAIL
        self._study.tell(number, losses, state=failed if losses is None else None)
        self._turns.append((number, losses))

    def recommend(self, history: History) -> Genotype | None:
        """The best trial's genotype."""
        return history.answer(self._problem.goal)

    def state_dict(self) -> dict[str, Any]:
        """All turns: -1 for a proposal, the number and the losses for what was told."""
        return {"turns": list(self._turns)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes all turns again."""
        self._begin()
        for number, losses in state["turns"]:
            if number < 0:
                self._next()
                continue
            for numbers in self._open.values():
                if number in numbers:
                    numbers.remove(number)
            self._told(int(number), losses)


def _optuna() -> Any:
    """The package.

    Raises:
        Fault: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise Fault(
            "this strategy is Optuna's, which is not installed: pip install 'nascli[optuna]'"
        ) from error
    return optuna
