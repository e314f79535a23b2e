import functools
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from fixtures import CHECKOUT

from nascli.core.fault import Fault
from nascli.core.goal import Objective
from nascli.core.space import at
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.data.synthetic import Synthetic
from nascli.estimators.cached import Cached


class Counting:
    """Counts how often it is asked."""

    metrics = ("score", "other")
    traits = Traits(objective=Objective("score", "max"))
    meaning = "made up"
    asked = 0

    def __init__(self, problem, batch_size=1):
        self.batch_size = batch_size

    def estimate(self, proposal):
        type(self).asked += 1
        if proposal.genotype["a"] == "2":
            raise ArithmeticError("no score")
        return {"score": self.batch_size / 3 + proposal.fidelity, "other": 1e-300}


class Spelling(Counting):
    traits = replace(Counting.traits, by_genotype=True)


class Drifting(Counting):
    traits = Traits(repeatable=False)


@pytest.fixture(autouse=True)
def nobody_has_asked():
    Counting.asked = Spelling.asked = 0


@pytest.fixture
def file(tmp_path):
    return tmp_path / "new" / "answers.jsonl"


def test_whole_numbers_stay_whole_in_the_file(problem, file):
    class Whole(Counting):
        def estimate(self, proposal):
            return {"score": 7, "other": 7.0}

    found = [
        Cached(problem, Whole, str(file)).estimate(Proposal(at(problem.space, 0))) for _ in "ab"
    ]
    assert [json.dumps(metrics) for metrics in found] == ['{"score": 7, "other": 7.0}'] * 2


def test_asks_once_over_runs_and_gives_exactly_what_was_said(problem, file):
    first, again = (Cached(problem, Counting, str(file)) for _ in range(2))
    proposal = Proposal(at(problem.space, 0))
    said = first.estimate(proposal)
    assert said == {"score": 1 / 3 + 1.0, "other": 1e-300}
    assert first.estimate(proposal) == again.estimate(proposal) == said
    assert Cached(problem, Counting, str(file)).estimate(proposal) == said
    assert Counting.asked == 1
    assert len(file.read_text().splitlines()) == 1


def test_passes_on_what_the_other_estimator_is(problem, file):
    cached = Cached(problem, Spelling, str(file))
    assert (cached.metrics, cached.meaning) == (Counting.metrics, "made up")
    assert cached.traits == Spelling.traits
    assert not Cached(problem, Counting, str(file)).traits.by_genotype
    assert not file.exists(), "nothing to keep yet"


def test_fidelities_are_apart(problem, file):
    cached = Cached(problem, Counting, str(file))
    scores = [cached.estimate(Proposal(at(problem.space, 0), f))["score"] for f in (0.25, 1, 0.25)]
    assert scores == [1 / 3 + 0.25, 1 / 3 + 1, 1 / 3 + 0.25]
    assert Counting.asked == 2


@pytest.mark.parametrize(("kind", "times"), [(Counting, 1), (Spelling, 2)])
def test_equivalent_genotypes_share_an_answer_unless_they_are_told_apart(
    problem, file, kind, times
):
    cached = Cached(problem, kind, str(file))
    one, other = at(problem.space, 1), at(problem.space, 2)  # b=0 c=1 and b=1 c=0
    assert problem.space.canonical(one) == problem.space.canonical(other)
    cached.estimate(Proposal(one))
    cached.estimate(Proposal(other))
    assert kind.asked == times


@pytest.mark.parametrize(
    "changed",
    [
        {"of": functools.partial(Counting, batch_size=2)},
        {"of": Spelling},
        {"depends": "epochs: 5"},
        {"seed": 1},
    ],
)
def test_other_settings_get_answers_of_their_own(problem, file, changed):
    usual = {"of": functools.partial(Counting, batch_size=1), "depends": "epochs: 4"}
    proposal = Proposal(at(problem.space, 0))
    Cached(problem, path=str(file), **usual).estimate(proposal)
    asked = Counting.asked
    seed = {"seed": changed["seed"]} if "seed" in changed else {}
    other = {key: value for key, value in changed.items() if key != "seed"}
    Cached(replace(problem, **seed), path=str(file), **usual | other).estimate(proposal)
    assert Counting.asked + Spelling.asked == asked + 1
    Cached(problem, path=str(file), **usual).estimate(proposal)
    assert Counting.asked + Spelling.asked == asked + 1, "the first answers are still there"


def test_what_fails_is_not_kept(problem, file):
    cached = Cached(problem, Counting, str(file))
    for _ in range(2):
        with pytest.raises(ArithmeticError):
            cached.estimate(Proposal(at(problem.space, 8)))
    assert Counting.asked == 2
    assert not file.exists()


def test_refuses_what_may_answer_differently(problem, file):
    with pytest.raises(Fault, match="Drifting cannot be kept: its answers change"):
        Cached(problem, Drifting, str(file))


def test_a_line_cut_short_is_dropped_and_the_rest_kept(problem, file):
    cached = Cached(problem, Counting, str(file))
    for number in (0, 1, 4):
        cached.estimate(Proposal(at(problem.space, number)))
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    again = Cached(problem, Counting, str(file))
    for number in (0, 1, 4):
        again.estimate(Proposal(at(problem.space, number)))
    assert Counting.asked == 3 + 1
    assert file.read_bytes() == whole


def test_a_file_that_is_one_remnant(problem, file):
    file.parent.mkdir()
    file.write_bytes(b"x" * 10_000)
    Cached(problem, Counting, str(file)).estimate(Proposal(at(problem.space, 0)))
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["choices"] == {"a": "0", "b": "0", "c": "0"}


def test_a_damaged_line_is_named(problem, file):
    file.parent.mkdir()
    file.write_bytes(b"{}\n")
    with pytest.raises(Fault, match=r"answers.jsonl' has a damaged line \(b'{}'\); delete it"):
        Cached(problem, Counting, str(file))


def test_a_place_that_cannot_be_written(problem, tmp_path):
    (tmp_path / "taken").write_text("a file")
    cached = Cached(problem, Counting, str(tmp_path / "taken" / "answers.jsonl"))
    with pytest.raises(Fault, match="cannot write"):
        cached.estimate(Proposal(at(problem.space, 0)))


WRITER = """
import sys
from fixtures import ToySpace, ToyTask
from nascli.core.problem import Problem
from nascli.core.space import at
from nascli.core.traits import Traits
from nascli.core.trial import Proposal
from nascli.data.synthetic import Synthetic
from nascli.estimators.cached import Cached

class Long:
    metrics, traits, meaning = ("score",), Traits(by_genotype=True), ""
    def __init__(self, problem): pass
    def estimate(self, proposal): return {"score": float(sys.argv[2])}

problem = Problem(ToySpace(), ToyTask(), None)
cached = Cached(problem, Long, sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for step in range(400):
    cached.estimate(Proposal(at(problem.space, step % 12), 1 / (1 + step)))
"""


def test_processes_that_write_at_once_lose_nothing(file):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file), str(number)],
            cwd=CHECKOUT / "tests",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(CHECKOUT), "PATH": ""},
        )
        for number in range(2)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    kept = {(tuple(line["choices"].values()), line["fidelity"]) for line in lines}
    assert len(kept) == 400
    assert 400 <= len(lines) <= 800


class Looking(Counting):
    """Reads the images when it is built, or only when it is asked."""

    def __init__(self, problem, batch_size=1, late=False):
        self._task = problem.task
        if not late:
            self._task.split("train")

    def estimate(self, proposal):
        type(self).asked += 1
        return {"score": float(self._task.split("train").mean), "other": 0.0}


@pytest.mark.parametrize("late", [False, True])
def test_other_images_get_answers_of_their_own(problem, file, late):
    proposal, of = Proposal(at(problem.space, 0)), functools.partial(Looking, late=late)
    scores = []
    for seed in (0, 1, 0):
        # Settings that `depends` does not see, as for files that have changed.
        task = Synthetic(images=40, channels=1, seed=seed)
        scores.append(Cached(replace(problem, task=task), of, str(file)).estimate(proposal))
    assert scores[0] == scores[2] != scores[1]
    prints = {json.loads(line)["fingerprint"] for line in file.read_text().splitlines()}
    assert len(prints) == 2
