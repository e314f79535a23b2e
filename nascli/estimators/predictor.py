"""Predicts accuracies from trials of an earlier search, or from a table of one's own.

Wen et al., Neural Predictor for Neural Architecture Search, ECCV 2020 (arXiv 1912.00848).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nascli.core import history_file, protocols
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.space import check
from nascli.core.surrogate import Surrogate, normal_scores, predicted
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.core.words import counted
from nascli.estimators.rows import Row, joined, read

_FOLDS = 5

Values = NDArray[np.float64]


class Predictor:
    """A surrogate fitted once, on the accuracies in `path`; nothing is trained or measured.

    `path` is a run folder or its history.jsonl, of which the trials at the highest fidelity count,
    or a CSV with a column `accuracy` and the columns that `estimator=table` reads. The surrogate
    learns ranks; between two known accuracies its predictions are interpolated, beyond the best and
    the worst they go on along the line of the outer quarter, within 0 to 100 percent.

    Args:
        problem: whose genotypes are judged.
        surrogate: `surrogate(space, seed)` gives what predicts.
        path: where known accuracies stand.

    Raises:
        Fault: there is no path, or too little or something else in it.
    """

    metrics = ("accuracy",)
    traits = Traits(by_genotype=True, immediate=True, fidelities=False)

    def __init__(
        self, problem: Problem, surrogate: Callable[..., Surrogate], path: str | None = None
    ) -> None:
        if path is None:
            raise Fault(
                "estimator=predictor learns from trials: give estimator.path=RUN_FOLDER (with "
                "strategy=specialise supernet=RUN_FOLDER)"
            )
        known = _known(Path(path), problem)
        if len(known) < _FOLDS:
            raise Fault(
                f"estimator.path={path} holds {counted(len(known), 'genotype')} with an accuracy; "
                f"a prediction needs at least {_FOLDS}"
            )
        genotypes, values = tuple(known), np.array(list(known.values()))
        self.traits = replace(self.traits, learnt=genotypes)

        def build() -> Surrogate:
            return surrogate(problem.space, problem.seed)

        stateless = ("state_dict", "load_state_dict")  # it is fitted anew every time
        protocols.check(surrogate, Surrogate, "surrogate", spared=stateless)

        self._surrogate = build()
        scores = normal_scores(values)
        self._surrogate.fit(genotypes, scores)
        self._accuracy = _Curve(scores, values)
        self.tau = _cross_validated(build, genotypes, values)
        self.meaning = (
            f"predicted from {len(values)} trials in {path} (Kendall's tau {self.tau:.2f} in "
            f"{_FOLDS}-fold cross-validation), not measured"
        )
        if not self.tau > 0:
            problem.listener.warn(
                f"warning: what the surrogate predicts orders genotypes no better than chance: "
                f"accuracies are {self.meaning}; score more networks before anything is bred by it"
            )

    def estimate(self, proposal: Proposal) -> Mapping[str, float]:
        """The predicted accuracy in percent, whatever the fidelity."""
        means, _ = predicted(self._surrogate, (proposal.genotype,))
        return {"accuracy": self._accuracy(float(means[0]))}


class _Curve:
    """Normal scores back to accuracies."""

    def __init__(self, scores: Values, values: Values) -> None:
        self._scores, first = np.unique(scores, return_index=True)
        self._values = values[first]
        quarter = max(1, len(self._scores) // 4)
        self._below = self._slope(0, min(quarter, len(self._scores) - 1))
        self._above = self._slope(max(0, len(self._scores) - 1 - quarter), -1)

    def _slope(self, start: int, end: int) -> float:
        run = float(self._scores[end] - self._scores[start])
        return float(self._values[end] - self._values[start]) / run if run else 0.0

    def __call__(self, score: float) -> float:
        least, most = float(self._scores[0]), float(self._scores[-1])
        value = float(np.interp(score, self._scores, self._values))
        value += self._below * min(0.0, score - least) + self._above * max(0.0, score - most)
        return min(100.0, max(0.0, value))


def _cross_validated(
    build: Callable[[], Surrogate], genotypes: Sequence[Genotype], values: Values
) -> float:
    """Kendall's tau between the values and what is predicted of them from the other folds.

    Each fold has a tau of its own, for ranks of different fits do not compare; their mean is given.
    """
    from scipy.stats import kendalltau

    folds = np.random.default_rng(0).permutation(len(values)) % _FOLDS
    taus = []
    for fold in range(_FOLDS):
        known, asked = (np.flatnonzero(rows).tolist() for rows in (folds != fold, folds == fold))
        if len(asked) < 2:
            continue
        surrogate = build()
        surrogate.fit([genotypes[i] for i in known], normal_scores(values[known]))
        means, _ = predicted(surrogate, tuple(genotypes[i] for i in asked))
        taus.append(float(kendalltau(means, values[asked]).statistic))
    found = [tau for tau in taus if np.isfinite(tau)]  # a fold of equals has none
    return float(np.mean(found)) if found else float("nan")


def _known(path: Path, problem: Problem) -> dict[Genotype, float]:
    """Genotype -> accuracy: of several rows their mean, of several trials the last.

    Raises:
        Fault: the file cannot be read, or a line or row is damaged.
    """
    history = path / history_file.FILE if path.is_dir() else path
    if history.suffix == ".csv":
        rows: dict[Genotype, list[Row]] = {}
        for genotype, row in read(path, problem):
            if "accuracy" not in row:
                raise Fault(f"{path} has no column 'accuracy'")
            rows.setdefault(genotype, []).append(row)
        means = {genotype: joined(several, counted=False) for genotype, several in rows.items()}
        return {genotype: row["accuracy"] for genotype, row in means.items()}
    if not history.is_file():
        raise Fault(
            f"there is no file '{history}'; estimator.path={path} must be a run folder, a "
            f"{history_file.FILE} or a .csv"
        )
    trials = [
        entry.trial
        for entry in history_file.read(history)
        if entry.trial.error is None and "accuracy" in entry.trial.metrics
    ]
    top = max((trial.fidelity for trial in trials), default=0.0)
    full = [trial for trial in trials if trial.fidelity == top]
    return {check(problem.space, trial.genotype): trial.metrics["accuracy"] for trial in full}
