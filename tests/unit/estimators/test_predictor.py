import json
from dataclasses import replace

import numpy as np
import pytest
from fixtures import Heard

from nascli.core import space as moves
from nascli.core.fault import Fault
from nascli.core.surrogate import normal_scores
from nascli.core.trial import Proposal, Trial
from nascli.estimators.predictor import Predictor, _Curve
from nascli.surrogates.gaussian_process import GaussianProcess


class Nearest:
    """Knows the values that it has seen, and 0 of others."""

    def __init__(self, space, seed):
        self.known = {}

    def fit(self, genotypes, values):
        self.known = dict(zip(genotypes, values.tolist(), strict=True))

    def predict(self, genotypes, pending=()):
        means = np.array([self.known.get(genotype, 0.0) for genotype in genotypes])
        return means, np.zeros(len(genotypes))


def accuracy(number):
    return 40.0 + 4.5 * number


def trials(space, count=12):
    return [
        Trial(number, moves.at(space, number), 1.0, {"accuracy": accuracy(number)})
        for number in range(count)
    ]


def history(folder, lines, name="history.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(trial.to_json()) + "\n" for trial in lines))
    return path


def test_what_is_known_is_given_back(problem, tmp_path):
    history(tmp_path, trials(problem.space))
    made = Predictor(problem, Nearest, path=str(tmp_path))
    for number in range(12):
        found = made.estimate(Proposal(moves.at(problem.space, number)))
        assert found == {"accuracy": pytest.approx(accuracy(number))}


def test_failed_short_and_unmeasured_trials_do_not_count(problem, tmp_path):
    space = problem.space
    lines = trials(space, 8)
    lines.append(Trial(8, moves.at(space, 8), 1.0, {"accuracy": 1.0}, error="lost"))
    lines.append(Trial(9, moves.at(space, 9), 0.1, {"accuracy": 1.0}))
    lines.append(Trial(10, moves.at(space, 10), 1.0, {"params": 3.0}, infeasible="params"))
    path = history(tmp_path, lines)
    path.write_text(path.read_text() + '{"number": 11, "geno')  # as a crash leaves it
    made = Predictor(problem, Nearest, path=str(path))
    assert "predicted from 8 trials in" in made.meaning
    assert made.meaning.endswith("cross-validation), not measured")


def test_a_csv_is_read_as_a_table_is(problem, tmp_path):
    rows = ["a,b,c,accuracy"]
    rows += [f"{','.join(t.genotype.options)},{accuracy(t.number)}" for t in trials(problem.space)]
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n")
    made = Predictor(problem, Nearest, path=str(tmp_path / "own.csv"))
    found = made.estimate(Proposal(moves.at(problem.space, 5)))
    assert found["accuracy"] == pytest.approx(accuracy(5))


def test_tau_is_that_of_genotypes_left_out(problem, tmp_path):
    """An additive function is predicted; what a surrogate only remembers is worth nothing."""
    problem.space.decisions = {f"d{n}": ("0", "1", "2") for n in range(4)}
    problem.space.canonical = lambda genotype: genotype
    lines = [
        Trial(n, genotype, 1.0, {"accuracy": float(genotype.options.count("2"))})
        for n, genotype in enumerate(moves.at(problem.space, k) for k in range(0, 81, 2))
    ]
    history(tmp_path, lines)
    said = []
    heard = replace(problem, listener=Heard(warned=said.append))
    assert Predictor(heard, GaussianProcess, path=str(tmp_path)).tau > 0.8
    assert not said
    assert np.isnan(Predictor(heard, Nearest, path=str(tmp_path)).tau)
    assert "orders genotypes no better than chance" in said[0] and "tau nan" in said[0]


def test_scores_become_accuracies_along_the_known_ones():
    values = np.array([10.0, 50.0, 60.0, 66.0, 70.0, 72.0, 73.0, 74.0])
    scores = normal_scores(values)
    curve = _Curve(scores, values)
    for score, value in zip(scores, values, strict=True):
        assert curve(score) == pytest.approx(value)
    assert curve((scores[3] + scores[4]) / 2) == pytest.approx(68.0)
    slope = (74.0 - 72.0) / (scores[7] - scores[5])
    assert curve(scores[7] + 0.3) == pytest.approx(74.0 + 0.3 * slope)
    assert curve(100.0) == 100.0
    assert curve(-100.0) == 0.0


def test_what_cannot_be_learned_from_is_a_fault(problem, tmp_path):
    def fault(path, text):
        with pytest.raises(Fault, match=text):
            Predictor(problem, Nearest, path=path)

    fault(None, "learns from trials: give estimator.path=RUN_FOLDER")
    fault(str(tmp_path / "none"), "must be a run folder, a history.jsonl or a .csv")
    few = history(tmp_path, trials(problem.space, 4))
    fault(str(few), "holds 4 genotypes with an accuracy; a prediction needs at least 5")
    few.write_text("{}\n")
    fault(str(few), "history.jsonl', line 1 is damaged: not a trial")
    other = Trial(0, moves.at(problem.space, 0), 1.0, {"accuracy": 1.0}).to_json()
    other["genotype"]["space"] = "cell"
    few.write_text(json.dumps(other) + "\n")
    fault(str(few), "the genotype is of space 'cell', not of space 'toy'")
