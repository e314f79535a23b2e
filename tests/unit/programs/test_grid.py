"""The grid of scalings: what is trained, what is chosen, and that it goes on where it stood."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fixtures import ToySpace, ToyTask

from nascli.core.budget import Budget
from nascli.core.fault import Fault
from nascli.core.problem import Images
from nascli.core.scaling import Scale
from nascli.core.space import at
from nascli.programs import grid
from nascli.programs.grid import Grown, Member
from nascli.runs.folder import Run
from nascli.scalings.grid import Grid
from nascli.workers.serial import Serial


class Deep:
    """An estimator that likes depth, but fails where there is too much of it."""

    metrics = ("accuracy",)
    meaning = ""

    def __init__(self, scale, asked):
        self.scale, self.asked = scale, asked

    def estimate(self, proposal):
        self.asked.append(self.scale)
        if self.scale.depth > 1.9:
            raise MemoryError("too deep")
        return {"accuracy": 10 * self.scale.depth + self.scale.resolution / 100}


@pytest.fixture
def searched(problem, tmp_path):
    """Runs, or goes on with, a grid of a genotype; what it has asked for stands in `asked`."""
    asked: list[Scale] = []
    base = replace(problem, task=ToyTask())

    def grow(scale):
        side = scale.resolution
        there = replace(base, task=Images("toy", (1, side, side), 10))
        wide = round(8 * scale.width)  # as rounding makes several widths one
        return Member(scale, there, at(ToySpace(), 0), [f"width={wide}", f"depth={scale.depth:g}"])

    def go_on(trials=None, **values):
        given = {"alpha": [1, 1.5, 2], "beta": [1, 1.1, 1.4], "gamma": [1, 1.15, 1.4], **values}
        evaluation = Grown(base, lambda s: (at(ToySpace(), 0), base, [Deep(s, asked)]))
        run = Run(tmp_path)
        try:
            return grid.search(
                run,
                grid.Grid(
                    scaling=Grid(**{"tolerance": 0.1, "phi": [0, 1, 2], **given}),
                    genotype=at(ToySpace(), 0),
                    evaluation=evaluation,
                    grow=grow,
                    workers=lambda made, _path: Serial(lambda: made),
                    budget=Budget(trials),
                    threads=None,
                ),
            )
        finally:
            run.close()

    go_on.asked = asked
    return go_on


def test_the_best_candidate_makes_the_family(searched):
    found = searched()
    assert found.chosen == "alpha=1.5 beta=1 gamma=1.15"
    assert list(found.families) == ["compound", "depth", "width", "resolution"]
    rows = {row["candidate"]: row for row in found.candidates}
    assert next(iter(rows)) == "alpha=2 beta=1 gamma=1"
    assert rows["alpha=2 beta=1 gamma=1"]["error"] == "MemoryError: too deep"
    assert rows["alpha=1.5 beta=1 gamma=1.15"]["accuracy"] == 15.09  # of 8 x 1.15 pixels
    compound = found.families["compound"]
    assert compound["phi=2"].scale == Scale(1, 2.25, 11)
    trained = {family: found.trials.get(m["phi=1"].network) for family, m in found.families.items()}
    assert all(trained.values())  # the last member but one of every family
    assert found.families["width"]["phi=2"].network not in found.trials
    base = found.trials[compound["phi=0"].network]
    assert base.metrics["accuracy"] == 10.08 and base.metrics["resolution"] == 8


def test_no_network_is_trained_twice(searched):
    found = searched(beta=[1, 1.1, 1.4, 1.42], tolerance=0.1)  # 8 x 1.4 and 1.42 are 11 channels
    same = [row for row in found.candidates if "same_network_as" in row]
    assert [(row["candidate"], row["same_network_as"]) for row in same] == [
        ("alpha=1 beta=1.4 gamma=1", "alpha=1 beta=1.42 gamma=1")  # nearer to 2
    ]
    assert len(searched.asked) == len(set(searched.asked)) == len(found.history)
    at_four_thirds = [scale for scale in searched.asked if round(8 * scale.width) == 11]
    assert len(at_four_thirds) == 1  # nor for the family of width alone, of 8 x 1.414


def test_it_goes_on_where_it_stood(searched):
    whole = searched()
    wanted, searched.asked[:] = list(searched.asked), []
    assert [t.metrics for t in searched().history] == [t.metrics for t in whole.history]
    assert searched.asked == []  # all is on record
    assert len(wanted) == len(whole.history)


@pytest.mark.parametrize("trials", [1, 3, 5])
def test_a_budget_ends_it_and_more_goes_on(searched, trials):
    before = searched(trials) if trials > 1 else None  # the first candidate fails
    if before is None:
        with pytest.raises(Fault, match="no candidate could be trained: 1 with MemoryError"):
            searched(trials)
    assert len(searched.asked) == trials
    after = searched()
    assert len(searched.asked) == len(after.history) == len(set(searched.asked))
    assert after.chosen == "alpha=1.5 beta=1 gamma=1.15"
    assert before is None or before.chosen != "alpha=2 beta=1 gamma=1"
